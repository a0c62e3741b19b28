"""The two ways in which the simulator says no: as Graph does, and as Microsoft sign-in does."""


class GraphError(Exception):
    """An error answer of Graph: HTTP status, `error.code`, `error.message`, and headers beside the usual ones."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


class SigninError(Exception):
    """An error answer of sign-in: HTTP status, OAuth `error`, AADSTS number, text, and `suberror` where there is one."""

    def __init__(
        self,
        status: int,
        error: str,
        number: int,
        text: str,
        *,
        suberror: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {error} AADSTS{number}")
        self.status = status
        self.error = error
        self.number = number
        self.text = text
        self.suberror = suberror
        self.headers = headers or {}
