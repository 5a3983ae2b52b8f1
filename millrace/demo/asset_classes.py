"""The asset classes of the demo's plant, as a person would write them in TOML files of their own."""

from __future__ import annotations

PUMP = """\
name = "pump"
sensors = ["bearing_temperature", "vibration", "pressure", "flow", "current", "oil_particles", "ambient"]
regime = ["speed", "load"]
unit = "cycle"
unit_seconds = 1.0          # the demo's plant lives fast: one cycle a second

[target]
kind = "rul"
cap = 125

[labels]
bearing_temperature = { unit = "°C" }
vibration = { label = "vibration of the bearing", unit = "mm/s" }
pressure = { unit = "bar" }
flow = { unit = "m³/h" }
current = { unit = "A" }
oil_particles = { label = "particles in the oil", unit = "/ml" }
ambient = { label = "ambient temperature", unit = "°C" }
speed = { unit = "1/min" }
"""
PRESS = """\
name = "press"
sensors = ["force", "position_error", "oil_temperature"]
constants = ["age_years"]
errors = ["overload", "slow_stroke", "seal_leak"]
unit = "cycle"
unit_seconds = 1.0

[target]
kind = "failure_probability"
components = ["bearing", "seal"]
horizon = 24

[labels]
force = { unit = "kN" }
position_error = { unit = "mm" }
oil_temperature = { unit = "°C" }
age_years = { label = "age", unit = "years" }
"""
ASSET_CLASSES = {"pump": PUMP, "press": PRESS}
