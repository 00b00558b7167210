"""The one place that imports ONNX Runtime; a test holds that nothing else does.

ONNX Runtime starts its telemetry as it is imported. Whoever imports it from here has imported
ralikit before, which has switched that off (`ralikit.telemetry`).
"""

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as state

__all__ = ["ort", "state"]
