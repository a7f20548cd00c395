"""`make docs`: writes the READMEs' tables of inputs and outputs from the HCL; the tests compare them."""

from pathlib import Path
from typing import Any

from hcl.source import MODULES, outputs, text, variables

# All but the internal one, whose inputs are nobody's business.
DOCUMENTED = {name: folder for name, folder in MODULES.items() if name != "function"}


def inputs_table(folder: Path) -> str:
    rows = ["| name | what it does | default |", "|---|---|---|"]
    for name, body in sorted(variables(folder).items(), key=lambda each: ("default" in each[1], each[0])):
        rows.append(f"| `{name}` | {_cell(body['description'])} | {_default(body)} |")
    return "\n".join(rows)


def outputs_table(folder: Path) -> str:
    rows = ["| name | what it is for |", "|---|---|"]
    rows += [f"| `{name}` | {_cell(body['description'])} |" for name, body in sorted(outputs(folder).items())]
    return "\n".join(rows)


def with_tables(readme: str, folder: Path) -> str:
    """The README with fresh tables between their marks."""
    for name, table in (("inputs", inputs_table(folder)), ("outputs", outputs_table(folder))):
        begin, end = f"<!-- {name}: made by `make docs` -->\n", f"<!-- end of {name} -->"
        before, found, rest = readme.partition(begin)
        _, closed, after = rest.partition(end)
        assert found and closed, f"The README has no marks for its {name}: {begin.strip()} and {end}."
        readme = f"{before}{begin}{table}\n{end}{after}"
    return readme


def _cell(description: Any) -> str:
    lines = text(description).strip().splitlines()
    items = [line for line in lines[1:] if line.strip()]
    return "<br>".join([lines[0], *(f"• {item}" for item in items)]).replace("|", r"\|")


def _default(body: dict[str, Any]) -> str:
    if "default" not in body:
        return "required"
    value = body["default"]
    if value is None:
        return "`null`"
    return f"`{text(value)}`" if not isinstance(value, dict) else "`{}`"


if __name__ == "__main__":
    for documented in DOCUMENTED.values():
        page = documented / "README.md"
        page.write_text(with_tables(page.read_text(encoding="utf-8"), documented), encoding="utf-8")
