"""The one base of errors that a person can act on. Each is defined where it is raised."""


class ClientNestError(Exception):
    """Something is wrong that the reader can mend; the message says what, where and how. Shown without a traceback."""
