"""How panels of each kind look. Their ids are for good: alerts link to them."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    AxisPlacement,
    BarGaugeDisplayMode,
    BarGaugeValueMode,
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
Target = tuple[str, str]
"""A query, and the legend of what it answers."""
Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; None for the first."""
DANGER_ABOVE_ZERO: Steps = ((None, "green"), (1, "red"))


def graph(
    number: int,
    title: str,
    what: str,
    targets: Sequence[Target],
    *,
    unit: str = "short",
    right: Mapping[str, str] | None = None,
    stacked: bool = False,
    highest: float | None = None,
) -> timeseries.Panel:
    """Lines over time. `right`: units of series on the right axis, by the regular expression of their legend."""
    panel = timeseries.Panel().id(number).title(title).description(what).datasource(SOURCE).span(12).height(9)
    panel.unit(unit).min(0).line_width(1).fill_opacity(10).no_value("nothing yet")
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    panel.legend(
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    if highest is not None:
        panel.max(highest)
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(40)
    for legend, other in (right or {}).items():
        properties: list[tuple[str, Any]] = [
            ("unit", other),
            ("custom.axisPlacement", AxisPlacement.RIGHT),
            ("custom.stacking", {"mode": StackingMode.NONE, "group": "A"}),
            ("custom.fillOpacity", 0),
            *([("max", 1)] if other == "percentunit" else []),
        ]
        panel.override_by_regexp(legend, [DynamicConfigValue(id_val=name, value=value) for name, value in properties])
    for letter, (expression, legend) in zip("ABCDEFGHIJ", targets, strict=False):
        panel.with_target(_query(letter, expression).range().legend_format(legend))
    return panel


def tile(number: int, title: str, what: str, expression: str, *, unit: str, steps: Steps) -> stat.Panel:
    """One number, coloured by how bad it is."""
    panel = stat.Panel().id(number).title(title).description(what).datasource(SOURCE).span(4).height(5)
    panel.unit(unit).color_mode(BigValueColorMode.BACKGROUND).graph_mode(BigValueGraphMode.NONE).no_value("none")
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_thresholds(steps))
    return panel.with_target(_query("A", expression).instant())


def bars(number: int, title: str, what: str, targets: Sequence[Target], *, steps: Steps) -> bargauge.Panel:
    """A bar for each query."""
    panel = bargauge.Panel().id(number).title(title).description(what).datasource(SOURCE).span(12).height(9)
    panel.unit("short").min(0).orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC)
    panel.value_mode(BarGaugeValueMode.TEXT).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_thresholds(steps))
    for letter, (expression, legend) in zip("ABCDEFGHIJ", targets, strict=False):
        panel.with_target(_query(letter, expression).instant().legend_format(legend))
    return panel


def rows(
    number: int,
    title: str,
    what: str,
    targets: Sequence[Target],
    *,
    units: Mapping[str, str],
    empty: str,
    width: int = 12,
    height: int = 9,
) -> table.Panel:
    """A table: what the queries' answers have in common is one row. The legend of each query names its column."""
    panel = table.Panel().id(number).title(title).description(what).datasource(SOURCE).span(width).height(height)
    panel.no_value(empty).filterable(True)
    single = len(targets) == 1
    columns = {}
    for letter, (expression, column) in zip("ABCDEFGHIJ", targets, strict=False):
        panel.with_target(_query(letter, expression).instant().format(PromQueryFormat.TABLE))
        columns["Value" if single else f"Value #{letter}"] = column
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    organised = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": columns}
    panel.with_transformation(DataTransformerConfig(id_val="organize", options=organised))
    for column, unit in units.items():
        panel.override_by_name(column, [DynamicConfigValue(id_val="unit", value=unit)])
    return panel


def _query(letter: str, expression: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(letter).expr(expression).datasource(SOURCE)


def _thresholds(steps: Steps) -> ThresholdsConfig:
    found = [Threshold(value=value, color=color) for value, color in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)
