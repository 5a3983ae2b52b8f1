"""What tables of measurements need: a figure in few characters, and the machine's name."""

from __future__ import annotations

import platform
import re
from pathlib import Path


def figure(value: float) -> str:
    """Three significant digits, thousands separated: .71, 18.5, 4,660."""
    if value >= 100:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}"
    text = f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return text.removeprefix("0") if 0 < value < 1 else text


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """As the kernel tells it; the architecture where it does not."""
    try:
        found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()
