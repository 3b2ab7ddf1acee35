"""The staff application: server-rendered pages over the rooms. Starlette is in this room and nowhere else.

``serve`` builds the address and starts the server, ``application`` puts routes and guards together, ``ways`` is the one
table of routes and of who may use them, ``ask`` is a request with the person who makes it, ``room`` what all requests
share. Pages are in ``pages_*``; templates in ``reports/web``.
"""
