class TrainingError(Exception):
    """No model came out. The text is a sentence for people."""


class DataUnfit(TrainingError):
    """The images cannot train or test a model with this recipe. Trying again will not help."""


class ExportBroken(TrainingError):
    """The exported model does not compute what the trained one does."""


class Cancelled(TrainingError):
    """Somebody asked for the run to stop. Raised by whoever hears the progress."""
