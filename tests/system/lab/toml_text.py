"""Writing TOML, which Python only reads. Enough of it for a gateway's configuration."""


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def toml_text(sections):
    """`sections`: name → table, or name → list of tables for [[name]]."""
    lines = []
    for name, content in sections.items():
        tables, heading = (content, f"[[{name}]]") if isinstance(content, list) else ([content], f"[{name}]")
        for table in tables:
            lines.append(heading)
            lines += [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]
            lines.append("")
    return "\n".join(lines)
