"""A record that the app's logic wrote, read as `ralikit report` reads it."""

import sys
from pathlib import Path

from ralikit.bench import records


def main() -> None:
    [record] = records.read([Path(sys.argv[1])])
    if (
        record.kind != "latency"
        or record.device.kind != "phone"
        or len(record.samples["inference_s"]) != 24
    ):
        sys.exit(f"expected a phone's latency with 24 samples, got {record}")
    print(
        f"read: {record.model.name} {record.model.precision}"
        f" on {record.device.name}, {record.runtime.unit}"
    )


if __name__ == "__main__":
    main()
