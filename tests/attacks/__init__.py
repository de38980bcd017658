"""The attacks, proved on broken and on sound servers."""
