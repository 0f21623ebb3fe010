"""Who may do what at the API and the page: pure but for the comparing of passwords."""
