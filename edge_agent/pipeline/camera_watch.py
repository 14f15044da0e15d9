"""Holds the pictures that a camera's own good ones say cannot be judged, before a model is asked about them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent.contract.quality import FRAMES_WANTED, BadImage, Calibrator, QualityWatch
from edge_agent.pipeline.baselines import Baselines, Subject
from edge_agent.values import Frame
from edge_agent.wire.words import CannotJudge

logger = logging.getLogger(__name__)

PRODUCTS_MAX = 50
"""Of one camera; learning one takes 400 kB. What comes after them is judged unwatched."""
TROUBLE_FRAMES = 5
"""So many in a row begin a trouble, or end it: a single odd part needs nobody to come."""


@dataclass(slots=True)
class _Product:
    """calibrator: None once it is handed over."""

    calibrator: Calibrator | None
    watch: QualityWatch | None = None


class CameraWatch:
    """One camera's. One thread at a time."""

    def __init__(
        self,
        camera: str,
        baselines: Baselines,
        *,
        report: Callable[[str], None],
        may_repeat: bool = False,
        frames_wanted: int = FRAMES_WANTED,
    ) -> None:
        """report: told once per trouble. may_repeat: equal frames are no fault."""
        self._camera = camera
        self._baselines = baselines
        self._may_repeat = may_repeat
        self._frames_wanted = frames_wanted
        self._products: dict[str, _Product] = {}
        self._reason: CannotJudge | None = None
        self._trouble = _Trouble(report)

    def reason_to_hold(self, frame: Frame) -> CannotJudge | None:
        """None: it can be judged, or its product is still being learned. Costs some milliseconds of this thread."""
        try:
            reason = self._judged(frame)
        except BadImage:
            # No picture at all; whoever judges says so.
            return None
        self._note(frame.product, reason)
        return reason

    def _judged(self, frame: Frame) -> CannotJudge | None:
        product = self._product(frame.product)
        if product is None:
            return None
        if product.watch is None:
            self._learn(product, frame)
            return None
        worst = product.watch.judge(frame.pixels).worst
        return worst.reason if worst else None

    def _product(self, name: str) -> _Product | None:
        """None: there are too many."""
        product = self._products.get(name)
        if product is None:
            if len(self._products) >= PRODUCTS_MAX:
                return None
            product = self._products[name] = _Product(Calibrator(frames_wanted=self._frames_wanted))
            if len(self._products) == PRODUCTS_MAX:
                logger.warning("products_unwatched camera=%s watched=%d", self._camera, PRODUCTS_MAX)
        if product.watch is None:
            baseline = self._baselines.known(Subject(self._camera, name))
            product.watch = QualityWatch(baseline, may_repeat=self._may_repeat) if baseline else None
        return product

    def _learn(self, product: _Product, frame: Frame) -> None:
        calibrator = product.calibrator
        if calibrator is None:
            return
        calibrator.add(frame.pixels)
        if calibrator.is_complete:
            self._baselines.learn(Subject(self._camera, frame.product), calibrator)
            product.calibrator = None

    def _note(self, product: str, reason: CannotJudge | None) -> None:
        self._trouble.saw(f"{self._camera}: {reason}, product {product or 'unnamed'}" if reason else "")
        if reason is self._reason:
            return
        if reason:
            logger.warning("camera_held camera=%s product=%s reason=%s", self._camera, product, reason)
        else:
            logger.info("camera_judgeable_again camera=%s product=%s", self._camera, product)
        self._reason = reason


class _Trouble:
    """Tells once that something lasts."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._is_reported = False
        self._count = 0
        """In a row, of what would change the state."""

    def saw(self, text: str) -> None:
        """text: empty when all is well."""
        self._count = self._count + 1 if bool(text) is not self._is_reported else 0
        if self._count < TROUBLE_FRAMES:
            return
        self._is_reported, self._count = bool(text), 0
        if text:
            self._report(text)
