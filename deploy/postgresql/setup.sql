-- Prepares a database for a gateway or a service: run it once for each, as a superuser, and again at any time.
--
--     psql -v login=cedargate -v database=cedargate -f deploy/postgresql/setup.sql
--     psql -c '\password cedargate'
--
-- It makes the two roles that units of work run as. They cannot sign in and own nothing; what they may do is granted by
-- each migration. The login role may put them on, and by itself (NOINHERIT) sees no row. Give each gateway and each
-- service a login and a database of its own: who may not connect to a database cannot put on a role in it.
\set ON_ERROR_STOP on

SELECT format('CREATE ROLE %I NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', wanted.name)
FROM (VALUES ('cedargate_tenant'), ('cedargate_system')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) \gexec

SELECT format('CREATE ROLE %I LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', :'login')
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'login') \gexec

GRANT cedargate_tenant, cedargate_system TO :"login";

SELECT format('CREATE DATABASE %I OWNER %I ENCODING ''UTF8'' TEMPLATE template0', :'database', :'login')
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = :'database') \gexec

REVOKE CONNECT, TEMPORARY ON DATABASE :"database" FROM PUBLIC;

\connect :"database"
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO :"login";
