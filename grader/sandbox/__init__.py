"""Walls around a process that runs what a student made: a view of the file system, no network, no rights, limits.

Two mechanisms give the same view: ``namespaces`` (our own, :mod:`grader.sandbox.enter`) and ``bwrap``
(:mod:`grader.sandbox.bubblewrap`); :mod:`grader.sandbox.choose` says which of them work on this machine, and
:class:`grader.sandbox.box.Box` is one confined run. Nothing is imported here: this package is also the launcher, which
starts before every notebook.
"""
