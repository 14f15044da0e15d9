"""Opens a package for the first time, in a process of its own: `python -m apps.models.trial <package>`.

A bad model may crash or hang a native parser or runtime; here it has no network, little time and no file to write. The
answer is one line of JSON on standard output: `code` (empty when the package works) and `text`.
"""

import ctypes
import json
import resource
import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent.contract.engines import Engine
    from edge_agent.contract.package import Package

MEMORY_BYTES_MAX = 8 * 1024**3
CPU_S_MAX = 100
_ONNX_ENGINE = "onnxruntime"
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def main() -> int:
    _confine()
    sys.stdout.write(json.dumps(dict(zip(("code", "text"), verdict(Path(sys.argv[1])), strict=True))) + "\n")
    return 0


def verdict(package_file: Path) -> tuple[str, str]:
    """("", what was measured) when the package works, else its stable code and a sentence."""
    from apps.models.graph import GraphRefused
    from edge_agent.contract.engines import EngineError, EngineUnavailable
    from edge_agent.contract.package import PackageRefused, open_package
    from edge_agent.contract.parity import GoldenBroken, check_parity, package_steps, read_golden

    try:
        with package_file.open("rb") as stream:
            package = open_package(stream)
            manifest = package.manifest
            engine = _opened(package)
            golden = read_golden(b"".join(package.pieces(manifest.golden.file)))
        report = check_parity(golden, manifest=manifest, steps=package_steps(manifest, engine))
    except (PackageRefused, GraphRefused) as exc:
        return exc.code, exc.text
    except GoldenBroken as exc:
        return "golden_broken", str(exc)
    except EngineUnavailable as exc:
        return "engine_missing", str(exc)[:300]
    except EngineError as exc:
        return "model_broken", str(exc)[:300]
    except ValueError as exc:  # a preprocessing that contradicts itself
        return "manifest_invalid", str(exc)[:300]
    if report.frame_count == 0 or report.frame_count != manifest.golden.count:
        return "golden_missing", f"{report.frame_count} golden frames; the manifest says {manifest.golden.count}."
    if report.diverged is not None:
        return "golden_mismatch", f"On its golden frames the model differs at the stage {report.diverged}."
    return "", f"{report.frame_count} golden frames agree; largest difference {report.score_max_difference:.1e}"


def _opened(package: "Package") -> "Engine":
    """The engine that devices will use, with the package's model. Raises EngineError, GraphRefused."""
    import msgspec

    from apps.models.graph import require_plain_graph
    from edge_agent.contract.engines import open_engine

    manifest = package.manifest
    model = b"".join(package.pieces(manifest.model_file))
    if _is_onnx(manifest.compatibility.engine, model):
        require_plain_graph(model)
    if manifest.compatibility.engine.startswith(_ONNX_ENGINE):
        # The server has no GPU; the graph is the same on each provider, and the device's own trial uses the real one.
        on_cpu = msgspec.structs.replace(manifest.compatibility, engine=_ONNX_ENGINE)
        manifest = msgspec.structs.replace(manifest, compatibility=on_cpu)
    weights_file = PurePath(manifest.model_file).with_suffix(".bin").name
    weights = b"".join(package.pieces(weights_file)) if weights_file in manifest.files else b""
    return open_engine(manifest, model, weights=weights)


def _is_onnx(engine: str, model: bytes) -> bool:
    """OpenVINO goes by the content, not by the name: XML is its own format, all else it would read as ONNX."""
    return engine.startswith(_ONNX_ENGINE) or (engine == "openvino" and not model.lstrip().startswith(b"<"))


def _confine() -> None:
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, CPU_S_MAX),
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
    ):
        resource.setrlimit(limit, (value, value))
    # Where the system allows it: a network namespace without any interface. Elsewhere the call fails and changes
    # nothing.
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is not None:
        unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


if __name__ == "__main__":
    sys.exit(main())
