"""Opens a package for the first time, in a process of its own: `python -m apps.models.trial <package>`.

A bad model may crash or hang a native parser or runtime; here it has no network, little time and no file to write. The
answer is one line of JSON on standard output: `code` (empty when the package works) and `text`.
"""

import ctypes
import json
import resource
import sys
from pathlib import Path

MEMORY_BYTES_MAX = 8 * 1024**3
CPU_S_MAX = 100
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def main() -> int:
    _confine()
    sys.stdout.write(json.dumps(dict(zip(("code", "text"), verdict(Path(sys.argv[1])), strict=True))) + "\n")
    return 0


def verdict(package_file: Path) -> tuple[str, str]:
    """("", what was measured) when the package works, else its stable code and a sentence."""
    from apps.models.graph import GraphRefused, require_plain_graph
    from edge_agent.contract.engines import EngineError, OnnxEngine
    from edge_agent.contract.package import PackageRefused, open_package
    from edge_agent.contract.parity import GoldenBroken, check_parity, package_steps, read_golden

    try:
        with package_file.open("rb") as stream:
            package = open_package(stream)
            manifest = package.manifest
            model = b"".join(package.pieces(manifest.model_file))
            golden = read_golden(b"".join(package.pieces(manifest.golden.file)))
        require_plain_graph(model)
        engine = OnnxEngine(model, input_name=manifest.input_name, output_name=manifest.output_name)
        report = check_parity(golden, manifest=manifest, steps=package_steps(manifest, engine))
    except (PackageRefused, GraphRefused) as exc:
        return exc.code, exc.text
    except GoldenBroken as exc:
        return "golden_broken", str(exc)
    except EngineError as exc:
        return "model_broken", str(exc)[:300]
    except ValueError as exc:  # a preprocessing that contradicts itself
        return "manifest_invalid", str(exc)[:300]
    if report.frame_count == 0 or report.frame_count != manifest.golden.count:
        return "golden_missing", f"{report.frame_count} golden frames; the manifest says {manifest.golden.count}."
    if report.diverged is not None:
        return "golden_mismatch", f"On its golden frames the model differs at the stage {report.diverged}."
    return "", f"{report.frame_count} golden frames agree; largest difference {report.score_max_difference:.1e}"


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
