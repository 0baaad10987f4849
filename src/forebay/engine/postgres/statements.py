"""The statements of `sql/`, by name, with the schema of this engine in them."""

from forebay.engine.postgres.address import Address
from forebay.engine.postgres.rows import statements


class Statements(dict[str, str]):
    """Name to text."""

    def __init__(self, address: Address) -> None:
        super().__init__({name: address.sql(text) for name, text in statements().items()})
        self.address = address
