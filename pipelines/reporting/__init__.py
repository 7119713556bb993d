"""From the content of a report to HTML, Markdown and CSV."""
