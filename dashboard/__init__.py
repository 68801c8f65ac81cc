"""What a person sees of a campaign: the dashboard in a browser, and the report, one self-contained page.

`history` folds the log into rows and entries, `server` answers a browser with them, `static` is the page, `report` is
the report. The room knows the bus alone; `lab.observability` connects it to a lab.
"""
