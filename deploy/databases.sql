-- Done once, when the volume of PostgreSQL is empty.
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;
CREATE DATABASE prefect;
