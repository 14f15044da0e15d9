"""Puts the page together."""

from pathlib import Path

from edge_agent.config import OperatorConfig
from edge_agent.operator.facts import FactSources, PageFactsReader
from edge_agent.operator.pages import PageParts, handler_of
from edge_agent.operator.password import has_password, is_password
from edge_agent.operator.server import OperatorPage
from edge_agent.operator.sessions import Sessions


def operator_page(config: OperatorConfig, folder: Path, sources: FactSources) -> OperatorPage:
    """folder: where the password lies."""
    parts = PageParts(
        reader=PageFactsReader(sources),
        board=sources.board,
        sessions=Sessions(lambda password: is_password(folder, password), sources.clock),
        has_password=lambda: has_password(folder),
        is_secure=config.certificate_file is not None,
    )
    return OperatorPage(config, handler_of(parts), sources.clock)
