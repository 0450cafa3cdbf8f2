"""Numbers and names of the structures of TotalSegmentator's tasks ``total`` and ``total_v3`` (CT).

J. Wasserthal et al. 2023, doi:10.1148/ryai.230024; numbers as of version 2. The two tasks differ at label 26 only: the
first sacral vertebra, or a sixth lumbar one.
"""

from __future__ import annotations

_SPINE = (
    "sacrum vertebrae_S1 "
    + " ".join(f"vertebrae_L{n}" for n in range(5, 0, -1))
    + " "
    + " ".join(f"vertebrae_T{n}" for n in range(12, 0, -1))
    + " "
    + " ".join(f"vertebrae_C{n}" for n in range(7, 0, -1))
)
_RIBS = " ".join(f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13))
_NAMES = (
    "spleen kidney_right kidney_left gallbladder liver stomach pancreas adrenal_gland_right adrenal_gland_left "
    "lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right lung_lower_lobe_right "
    "esophagus trachea thyroid_gland small_bowel duodenum colon urinary_bladder prostate kidney_cyst_left "
    f"kidney_cyst_right {_SPINE} heart aorta pulmonary_vein brachiocephalic_trunk subclavian_artery_right "
    "subclavian_artery_left common_carotid_artery_right common_carotid_artery_left brachiocephalic_vein_left "
    "brachiocephalic_vein_right atrial_appendage_left superior_vena_cava inferior_vena_cava "
    "portal_vein_and_splenic_vein iliac_artery_left iliac_artery_right iliac_vena_left iliac_vena_right humerus_left "
    "humerus_right scapula_left scapula_right clavicula_left clavicula_right femur_left femur_right hip_left hip_right "
    "spinal_cord gluteus_maximus_left gluteus_maximus_right gluteus_medius_left gluteus_medius_right "
    "gluteus_minimus_left gluteus_minimus_right autochthon_left autochthon_right iliopsoas_left iliopsoas_right brain "
    f"skull {_RIBS} sternum costal_cartilages"
).split()
TOTAL = dict(enumerate(_NAMES, start=1))
TOTAL_V3 = {**TOTAL, 26: "vertebrae_L6"}
TABLES = {"total": TOTAL, "total_v3": TOTAL_V3}
# Further names that its other tasks write beside these, and that play no part here.
_OTHERS = (
    "vertebrae_L6 body body_trunc body_extremities subcutaneous_fat torso_fat skeletal_muscle intermuscular_fat "
    "vertebrae_body intervertebral_discs lung_left lung_right lung_vessels lung_airways face pleural_effusion "
    "pericardial_effusion heart_myocardium pulmonary_artery"
)
KNOWN = frozenset((*TOTAL.values(), *_OTHERS.split()))
