"""Names for what contributors run: `nox -s tests lint types docs wheel`. `.ci/run` does all of it.

Nothing is installed here but the reference site's builder: the README's test command makes `.venv`,
and these sessions use it.
"""

import nox

nox.options.sessions = ["lint", "types", "tests"]
PYTHON = ".venv/bin/python"


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """The test suite, or what is named: `nox -s tests -- tests/photo`."""
    words = session.posargs or ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
    session.run(PYTHON, "-m", "pytest", "-q", *words)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Style."""
    session.run(PYTHON, "-m", "ruff", "check", ".")
    session.run(PYTHON, "-m", "ruff", "format", "--check", ".")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Types, strict, of everything that is Python."""
    session.run(PYTHON, "-m", "mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The reference site, warnings as errors."""
    extras = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]
    session.install("-q", "-c", "constraints.txt", *extras["docs"])
    session.run("mkdocs", "build", "--strict", "--site-dir", "build/site", *session.posargs)


@nox.session(venv_backend="none")
def wheel(session: nox.Session) -> None:
    """The built wheel in empty environments."""
    session.run("bash", ".ci/wheel")
