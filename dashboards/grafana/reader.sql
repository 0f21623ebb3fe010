-- A role for Grafana's data source: it may call the functions of the schema `shown`, and nothing else. Run it
-- as the owner of the tables, after groundswell db migrate; it can be run again, with another password too.
-- psql "$DATABASE" -v ON_ERROR_STOP=1 -f dashboards/grafana/reader.sql   with GRAFANA_PASSWORD in the environment

\getenv password GRAFANA_PASSWORD
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') AS is_new \gset
\if :is_new
CREATE ROLE grafana;
\endif
ALTER ROLE grafana LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 20 PASSWORD :'password';

-- It cannot write anyhow; these keep a dashboard that asks for too much from holding up others.
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '30s';
ALTER ROLE grafana SET idle_in_transaction_session_timeout = '30s';

GRANT USAGE ON SCHEMA shown TO grafana;
