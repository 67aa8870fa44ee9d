"""The types that the face's signatures name; `named.types` imports them when one is asked for: they need torch."""

from collections.abc import Mapping
from pathlib import Path

from torch.nn import Module as Module

from edge_deeplab.checker.explain import ExplainedRule as ExplainedRule
from edge_deeplab.checker.report import CheckResult as CheckResult
from edge_deeplab.checker.report import UnreadArtifact as UnreadArtifact
from edge_deeplab.child.limits import Allowance as Allowance
from edge_deeplab.compress.report import ChainReport as ChainReport
from edge_deeplab.config import CompressRecipe, Recipe
from edge_deeplab.converters.exported import ExportedArtifact as ExportedArtifact
from edge_deeplab.converters.rewrites.catalogue import RewriteList as RewriteList
from edge_deeplab.data.folder import NamedLabelMap as NamedLabelMap
from edge_deeplab.data.inspection.summary import DataSummary as DataSummary
from edge_deeplab.demo.contract import Contract as Contract
from edge_deeplab.description import ClassInfo as ClassInfo
from edge_deeplab.description import Normalisation as Normalisation
from edge_deeplab.evaluation.class_map import ClassMap as ClassMap
from edge_deeplab.evaluation.cost import ModelList as ModelList
from edge_deeplab.evaluation.dense_crf import DenseCrf as DenseCrf
from edge_deeplab.evaluation.doctor import Diagnosis as Diagnosis
from edge_deeplab.evaluation.flicker_report import FlickerReport as FlickerReport
from edge_deeplab.evaluation.importing import Imported as Imported
from edge_deeplab.evaluation.latency import BenchReport as BenchReport
from edge_deeplab.evaluation.pruned import Pruned as Pruned
from edge_deeplab.evaluation.scores import Evaluation as Evaluation
from edge_deeplab.evaluation.verdict import ParityReport as ParityReport
from edge_deeplab.formats.replay import Replay as Replay
from edge_deeplab.formats.stored.comparison import Comparison as Comparison
from edge_deeplab.lab.environments import ToolStatus as ToolStatus
from edge_deeplab.lab.report import LabReport as LabReport
from edge_deeplab.lab.trying import ToolTrial as ToolTrial
from edge_deeplab.models.checkpoint import Checkpoint as Checkpoint
from edge_deeplab.models.views import Fuse as Fuse
from edge_deeplab.quantization.pruning.sensitivity import Sweep as Sweep
from edge_deeplab.quantization.sensitivity import Ranking as Ranking
from edge_deeplab.report.known import WrittenReport as WrittenReport
from edge_deeplab.runtimes.base import Runtime as Runtime
from edge_deeplab.training.loop import Trained as Trained

NamedCheckpoint = Checkpoint | str | Path | None
"""A checkpoint, or what names one: a file, a run's folder, a shipped name; None for the default shipped one."""

NamedRecipe = Recipe | Mapping[str, object] | str | Path | None
"""A recipe of the verb's kind, what its file would hold, the file's path, or None for the defaults."""

NamedChain = CompressRecipe | Mapping[str, object] | str | Path
"""The recipe of a chain, what its file would hold, or the file's path."""
