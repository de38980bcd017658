"""A report in the forms that people and machines read."""

from jwt_guard.attacks.reports.html import as_html
from jwt_guard.attacks.reports.json import as_json
from jwt_guard.attacks.reports.junit import as_junit
from jwt_guard.attacks.reports.sarif import as_sarif
from jwt_guard.attacks.reports.terminal import Progress, print_report

__all__ = ["Progress", "as_html", "as_json", "as_junit", "as_sarif", "print_report"]
