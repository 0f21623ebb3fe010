-- What regions below say of their stations, sites and datastreams: the newest description of each.

CREATE TABLE descriptions (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    definition text,                        -- NULL: it is gone
    is_deleted boolean NOT NULL,            -- gone, and not only withheld
    PRIMARY KEY (kind, id)
);
