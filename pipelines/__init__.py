"""The orchestration of m2pt: from a study file to runs, tracking and a report. It imports m2pt; m2pt never imports it."""
