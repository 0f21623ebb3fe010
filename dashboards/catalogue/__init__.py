"""What data there are: extents, lineage and versions of data sets, as ISO 19115, GeoJSON and STAC have it."""
