-- The newest figures of a station as one MessagePack array of the columns that the query `station_figures` gives,
-- in their order: a page that shows all stations would else get each of 19 columns 4,000 times. Here D3 stands
-- before 8 bytes of an integer, D2 before 4, D1 before 2, D9 before a text and its length; C0 is nothing.
ALTER TABLE station_figures_latest ADD COLUMN packed bytea NOT NULL GENERATED ALWAYS AS (
    '\xdc0013d3'::bytea || int8send(time_us)
    || coalesce('\xd2'::bytea || int4send(horizon_expected), '\xc0')
    || coalesce('\xd2'::bytea || int4send(horizon_have), '\xc0')
    || coalesce('\xd2'::bytea || int4send(mask_expected), '\xc0')
    || coalesce('\xd2'::bytea || int4send(mask_have), '\xc0')
    || coalesce('\xd1'::bytea || int2send(expected_100ppm), '\xc0')
    || coalesce('\xd1'::bytea || int2send(usable_100ppm), '\xc0')
    || '\xd9'::bytea || set_byte('\x00'::bytea, 0, octet_length(usable_systems))
    || decode(replace(usable_systems, '\', '\\'), 'escape')
    || coalesce('\xd2'::bytea || int4send(slips_a_million), '\xc0')
    || coalesce('\xd1'::bytea || int2send(cn0_loss_cdb), '\xc0')
    || coalesce('\xd2'::bytea || int4send(roti_100utecu_min), '\xc0')
    || coalesce('\xd2'::bytea || int4send(clock_step_ms), '\xc0')
    || coalesce('\xd3'::bytea || int8send(clock_step_at_us), '\xc0')
    || coalesce('\xd2'::bytea || int4send(east_mm), '\xc0')
    || coalesce('\xd2'::bytea || int4send(north_mm), '\xc0')
    || coalesce('\xd2'::bytea || int4send(up_mm), '\xc0')
    || coalesce('\xd2'::bytea || int4send(east_sd_mm), '\xc0')
    || coalesce('\xd2'::bytea || int4send(north_sd_mm), '\xc0')
    || coalesce('\xd2'::bytea || int4send(up_sd_mm), '\xc0')
) STORED;
