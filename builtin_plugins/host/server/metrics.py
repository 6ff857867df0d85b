"""What Prometheus reads: the Host's own figures per plugin, and the plugins' with the label ``plugin``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """One registry for the Host, one for each plugin."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Counter(
            "nself_plugin_requests", "Requests to plugins.", ("plugin", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "nself_plugin_request_seconds", "Time to answer them.", ("plugin",), buckets=_BUCKETS, registry=self.registry
        )
        self.up = Gauge("nself_plugin_up", "Whether the plugin serves.", ("plugin",), registry=self.registry)

    def text(self, plugins: Mapping[str, Iterable[Metric]]) -> bytes:
        """The exposition format, one family for each name."""
        merged = CollectorRegistry(auto_describe=False)
        merged.register(_Merged(self.registry, plugins))
        return generate_latest(merged)


class _Merged:
    """Collects them all; two plugins' metrics of one name become one family."""

    def __init__(self, own: CollectorRegistry, plugins: Mapping[str, Iterable[Metric]]) -> None:
        self._own = own
        self._plugins = plugins

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        families = {metric.name: metric for metric in self._own.collect()}
        taken = set(families)
        for plugin, metrics in self._plugins.items():
            for metric in metrics:
                if metric.name in taken:  # the Host's own figures are the Host's to tell
                    continue
                family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type, metric.unit))
                for sample in metric.samples:
                    family.samples.append(sample._replace(labels={**sample.labels, "plugin": plugin}))
        yield from families.values()
