"""The orchestration: from a study file to runs, tracking and a report; it imports m2pt, which never imports it."""
