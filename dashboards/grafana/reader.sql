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

-- The functions run as the owner and call others by name: who may make functions beside theirs could be called.
-- Since PostgreSQL 15 nobody may; a database that was made before has it as it was.
DO $$ BEGIN
    IF has_schema_privilege('grafana', 'public', 'CREATE') THEN
        RAISE EXCEPTION 'The role grafana could make functions in the schema public, which run as the owner.'
            USING HINT = 'As the owner of the schema: GRANT CREATE ON SCHEMA public TO (who owns the tables); '
                'REVOKE CREATE ON SCHEMA public FROM PUBLIC; then run this again.';
    END IF;
END $$;

GRANT USAGE ON SCHEMA shown TO grafana;
