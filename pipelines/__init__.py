"""The orchestration: from a study file to runs, tracking and a report. It imports m2pt, which never imports it."""
