"""Protocol, patient and treated lobe of PRRT Uptake, taken by PRRT Dosimetry until something is chosen there."""

from __future__ import annotations

from typing import Any

import slicer
from PRRTUptakeLib.panel.choices import TreatedLobe

STUDY_NAMES = ("protocol", "protocolFile", "treatedLobe", "patient")
STUDY_TAKEN = "PRRT.StudyTaken"  # of the parameter node: the study as it was last taken from PRRT Uptake


def has_own_study(node: Any, protocol: str) -> bool:
    """Whether the user chose another study in this panel than was taken; a patient that images propose is no choice.

    Parameters
    ----------
    node : the panel's parameter node.
    protocol : the one of a panel in which nothing was chosen.
    """
    default = "\n".join((protocol, "", TreatedLobe.BLINDED.name, ""))
    words = (node.GetAttribute(STUDY_TAKEN) or default).split("\n")
    now = [node.GetParameter(name) for name in STUDY_NAMES]
    return now[:-1] != words[:-1] or words[-1] not in ("", now[-1])


def take_study(parameters: Any) -> None:
    """The study that PRRT Uptake has in this scene, so that both measure one patient by one protocol."""
    other = slicer.mrmlScene.GetSingletonNode("PRRTUptake", "vtkMRMLScriptedModuleNode")
    if other is not None:
        for name in ("protocol", "protocolFile", "patient"):
            if other.GetParameter(name):
                setattr(parameters, name, other.GetParameter(name))
        lobe = other.GetParameter("treatedLobe")
        if lobe in TreatedLobe.__members__:
            parameters.treatedLobe = TreatedLobe[lobe]
    node = parameters.parameterNode
    node.SetAttribute(STUDY_TAKEN, "\n".join(node.GetParameter(name) for name in STUDY_NAMES))
