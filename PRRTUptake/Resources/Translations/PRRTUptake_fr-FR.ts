<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr_FR" sourcelanguage="en">
 <context>
  <name>DICOMPRRTPlugin</name>
  <message>
   <source>Bq/mL</source>
   <translation>Bq/mL</translation>
  </message>
  <message>
   <source>It cannot be quantified and is loaded without units. {problem}</source>
   <translation>Elle ne peut pas être quantifiée et est chargée sans unité. {problem}</translation>
  </message>
  <message>
   <source>PRRT quantified volume</source>
   <translation>Volume quantifié PRRT</translation>
  </message>
  <message>
   <source>SUVbw</source>
   <translation>SUVbw</translation>
  </message>
  <message>
   <source>{modality} as {units}, with units, patient and time after injection</source>
   <translation>{modality} en {units}, avec unité, patient et délai après injection</translation>
  </message>
 </context>
 <context>
  <name>PRRTUptake</name>
  <message>
   <source> %</source>
   <translation> %</translation>
  </message>
  <message>
   <source> MBq</source>
   <translation> MBq</translation>
  </message>
  <message>
   <source> cm</source>
   <translation> cm</translation>
  </message>
  <message>
   <source> cps/MBq</source>
   <translation> cps/MBq</translation>
  </message>
  <message>
   <source> h</source>
   <translation> h</translation>
  </message>
  <message>
   <source> kg</source>
   <translation> kg</translation>
  </message>
  <message>
   <source> mm</source>
   <translation> mm</translation>
  </message>
  <message>
   <source>1. Protocol and patient</source>
   <translation>1. Protocole et patient</translation>
  </message>
  <message>
   <source>1. What each segment is, by its name or terminology.</source>
   <translation>1. Ce qu'est chaque segment, d'après son nom ou la terminologie.</translation>
  </message>
  <message>
   <source>2. A plane through gallbladder and vena cava; drag it in the views.</source>
   <translation>2. Un plan par la vésicule et la veine cave ; déplacez-le dans les vues.</translation>
  </message>
  <message>
   <source>2. Images</source>
   <translation>2. Images</translation>
  </message>
  <message>
   <source>2026-03-04 09:30 +01:00</source>
   <translation>2026-03-04 09:30 +01:00</translation>
  </message>
  <message>
   <source>3. Divides the liver by the plane or the curve.</source>
   <translation>3. Divise le foie selon le plan ou la courbe.</translation>
  </message>
  <message>
   <source>3. Registration</source>
   <translation>3. Recalage</translation>
  </message>
  <message>
   <source>4. Makes single lesions of what is drawn together, each with an id.</source>
   <translation>4. Sépare les lésions dessinées ensemble, chacune avec un identifiant.</translation>
  </message>
  <message>
   <source>4. Segments</source>
   <translation>4. Segments</translation>
  </message>
  <message>
   <source>41 or 50 % of the maximum (EANM), the same above the background, a fixed value, or where the image is steepest.</source>
   <translation>41 ou 50 % du maximum (EANM), de même au-dessus du fond, une valeur fixe, ou là où la pente de l'image est maximale.</translation>
  </message>
  <message>
   <source>5. Gives each lesion the lobe that most of it is in.</source>
   <translation>5. Attribue à chaque lésion le lobe qui en contient la plus grande part.</translation>
  </message>
  <message>
   <source>5. Measure</source>
   <translation>5. Mesure</translation>
  </message>
  <message>
   <source>6. Chooses the target lesions by the protocol.</source>
   <translation>6. Choisit les lésions cibles selon le protocole.</translation>
  </message>
  <message>
   <source>6. Report and export</source>
   <translation>6. Rapport et export</translation>
  </message>
  <message>
   <source>7. Makes the reference regions of healthy liver.</source>
   <translation>7. Crée les régions de référence du foie sain.</translation>
  </message>
  <message>
   <source>A </source>
   <translation>A </translation>
  </message>
  <message>
   <source>A folder with other files in it is not written to: with this, it is renamed and a new one made in its place.</source>
   <translation>Rien n'est écrit dans un dossier qui contient d'autres fichiers : avec cette option, il est renommé et un nouveau prend sa place.</translation>
  </message>
  <message>
   <source>A new or empty folder, or one from an earlier export, which is replaced.</source>
   <translation>Un dossier nouveau ou vide, ou celui d'un export précédent, qui est remplacé.</translation>
  </message>
  <message>
   <source>A point list with one point in each lesion.</source>
   <translation>Une liste de points, un dans chaque lésion.</translation>
  </message>
  <message>
   <source>A protocol of your own (a .json file); used where the protocol above says so.</source>
   <translation>Votre propre protocole (fichier .json) ; utilisé si le protocole ci-dessus le demande.</translation>
  </message>
  <message>
   <source>A transform that you have, from here or elsewhere.</source>
   <translation>Une transformation existante, d'ici ou d'ailleurs.</translation>
  </message>
  <message>
   <source>Activity at the time of injection.</source>
   <translation>Activité au moment de l'injection.</translation>
  </message>
  <message>
   <source>Administered:</source>
   <translation>Administrée :</translation>
  </message>
  <message>
   <source>After injection:</source>
   <translation>Après injection :</translation>
  </message>
  <message>
   <source>Apply</source>
   <translation>Appliquer</translation>
  </message>
  <message>
   <source>Assign lobes</source>
   <translation>Attribuer les lobes</translation>
  </message>
  <message>
   <source>Bend the liver, where that fits better</source>
   <translation>Déformer le foie si l'accord est meilleur</translation>
  </message>
  <message>
   <source>By:</source>
   <translation>Par :</translation>
  </message>
  <message>
   <source>Calibration:</source>
   <translation>Étalonnage :</translation>
  </message>
  <message>
   <source>Choose the segmentation with liver and lesions in section 4.</source>
   <translation>Choisissez en section 4 la segmentation du foie et des lésions.</translation>
  </message>
  <message>
   <source>Choose the target lesions by the protocol</source>
   <translation>Choisir les lésions cibles selon le protocole</translation>
  </message>
  <message>
   <source>Chosen segment is:</source>
   <translation>Le segment choisi est :</translation>
  </message>
  <message>
   <source>Click a row to see the lesion in the slice views.</source>
   <translation>Cliquez sur une ligne pour voir la lésion dans les coupes.</translation>
  </message>
  <message>
   <source>Click in the slice views, one point in each lesion; a new list is made if none is chosen</source>
   <translation>Cliquez dans les coupes, un point par lésion ; une nouvelle liste est créée si aucune n'est choisie</translation>
  </message>
  <message>
   <source>Counts are:</source>
   <translation>Les coups sont :</translation>
  </message>
  <message>
   <source>Cycle {cycle}</source>
   <translation>Cycle {cycle}</translation>
  </message>
  <message>
   <source>Cycle:</source>
   <translation>Cycle :</translation>
  </message>
  <message>
   <source>DICOM too (SEG, SR, maps)</source>
   <translation>DICOM aussi (SEG, SR, cartes)</translation>
  </message>
  <message>
   <source>Date and time with its difference from UTC, for instance 2026-03-04 09:30 +01:00.</source>
   <translation>Date et heure avec le décalage par rapport à UTC, par exemple 2026-03-04 09:30 +01:00.</translation>
  </message>
  <message>
   <source>De-identified bundle too (.zip)</source>
   <translation>Archive dé-identifiée aussi (.zip)</translation>
  </message>
  <message>
   <source>Delineate lesions at points</source>
   <translation>Délinéer les lésions aux points</translation>
  </message>
  <message>
   <source>Divide chosen lesion</source>
   <translation>Diviser la lésion choisie</translation>
  </message>
  <message>
   <source>Divide lesion segments into single lesions, each with an id</source>
   <translation>Séparer les segments en lésions uniques, chacune avec un identifiant</translation>
  </message>
  <message>
   <source>Divide the chosen lesion at its waist, where two lesions touch</source>
   <translation>Diviser la lésion choisie à son étranglement, là où deux lésions se touchent</translation>
  </message>
  <message>
   <source>Europe/Amsterdam</source>
   <translation>Europe/Amsterdam</translation>
  </message>
  <message>
   <source>Every segment with its longest axial diameter (mm) and volume (mL); click a row to see it in the slice views.</source>
   <translation>Chaque segment avec son plus grand diamètre axial (mm) et son volume (mL) ; cliquez sur une ligne pour le voir dans les coupes.</translation>
  </message>
  <message>
   <source>Every volume of the scene with its quantity and units and the time after injection (p.i.); choose a row to complete it below.</source>
   <translation>Chaque volume de la scène avec sa grandeur, son unité et le délai après injection (p.i.) ; choisissez une ligne pour la compléter ci-dessous.</translation>
  </message>
  <message>
   <source>Export</source>
   <translation>Exporter</translation>
  </message>
  <message>
   <source>Folder:</source>
   <translation>Dossier :</translation>
  </message>
  <message>
   <source>For research use only. Not for diagnosis or treatment decisions.</source>
   <translation>Réservé à la recherche. Ni pour le diagnostic, ni pour les décisions de traitement.</translation>
  </message>
  <message>
   <source>Forget the replacements of targets</source>
   <translation>Oublier les remplacements de cibles</translation>
  </message>
  <message>
   <source>Forgets which targets were replaced by hand.</source>
   <translation>Oublie les cibles remplacées à la main.</translation>
  </message>
  <message>
   <source>From DICOM database</source>
   <translation>Depuis la base DICOM</translation>
  </message>
  <message>
   <source>Give each lesion the lobe that most of it is in</source>
   <translation>Attribuer à chaque lésion le lobe qui en contient la plus grande part</translation>
  </message>
  <message>
   <source>Height:</source>
   <translation>Taille :</translation>
  </message>
  <message>
   <source>How far to the front (negative: back) it is.</source>
   <translation>De combien elle est en avant (négatif : en arrière).</translation>
  </message>
  <message>
   <source>How far to the head (negative: feet) it is.</source>
   <translation>De combien elle est vers la tête (négatif : vers les pieds).</translation>
  </message>
  <message>
   <source>How far to the patient's right (negative: left) it is.</source>
   <translation>De combien elle est à droite du patient (négatif : à gauche).</translation>
  </message>
  <message>
   <source>How the activity was given: into an artery (IA) or a vein (IV).</source>
   <translation>Voie d'administration : dans une artère (IA) ou une veine (IV).</translation>
  </message>
  <message>
   <source>How the patient is called in tables and reports.</source>
   <translation>Nom du patient dans les tableaux et rapports.</translation>
  </message>
  <message>
   <source>How the visit is called in the tables, for instance 24h, IA or IV.</source>
   <translation>Nom de la visite dans les tableaux, par exemple 24h, IA ou IV.</translation>
  </message>
  <message>
   <source>IANA name, for headers that state no difference from UTC, for instance Europe/Amsterdam.</source>
   <translation>Nom IANA, pour les en-têtes sans décalage par rapport à UTC, par exemple Europe/Paris.</translation>
  </message>
  <message>
   <source>Image</source>
   <translation>Image</translation>
  </message>
  <message>
   <source>In the database:</source>
   <translation>Dans la base :</translation>
  </message>
  <message>
   <source>In the image's units.</source>
   <translation>Dans l'unité de l'image.</translation>
  </message>
  <message>
   <source>In the image:</source>
   <translation>Dans l'image :</translation>
  </message>
  <message>
   <source>Injected at:</source>
   <translation>Injecté à :</translation>
  </message>
  <message>
   <source>Keep what is in the folder under a dated name</source>
   <translation>Conserver l'ancien dossier sous un nom daté</translation>
  </message>
  <message>
   <source>Kept in table, report and provenance.</source>
   <translation>Conservé dans le tableau, le rapport et la provenance.</translation>
  </message>
  <message>
   <source>Key of the site:</source>
   <translation>Clé du centre :</translation>
  </message>
  <message>
   <source>Lacks</source>
   <translation>Manque</translation>
  </message>
  <message>
   <source>Lesion</source>
   <translation>Lésion</translation>
  </message>
  <message>
   <source>Lesion points</source>
   <translation>Points des lésions</translation>
  </message>
  <message>
   <source>Liver, lesions, gallbladder, vessels and organs.</source>
   <translation>Foie, lésions, vésicule, vaisseaux et organes.</translation>
  </message>
  <message>
   <source>Load the images of this patient's cycle, with segments if there are any, and fill sections 1 and 2; what is open is said at the foot of the panel.</source>
   <translation>Charger les images du cycle de ce patient, avec les segments s'il y en a, et remplir les sections 1 et 2 ; ce qui reste ouvert est dit au bas du panneau.</translation>
  </message>
  <message>
   <source>Lobe</source>
   <translation>Lobe</translation>
  </message>
  <message>
   <source>Lobe plane or curve:</source>
   <translation>Plan ou courbe des lobes :</translation>
  </message>
  <message>
   <source>Longest axial diameter</source>
   <translation>Plus grand diamètre axial</translation>
  </message>
  <message>
   <source>Make reference</source>
   <translation>Créer la référence</translation>
  </message>
  <message>
   <source>Make the reference regions of healthy liver</source>
   <translation>Créer les régions de référence du foie sain</translation>
  </message>
  <message>
   <source>Move:</source>
   <translation>Déplacer :</translation>
  </message>
  <message>
   <source>Moved by</source>
   <translation>Déplacée par</translation>
  </message>
  <message>
   <source>N</source>
   <translation>N</translation>
  </message>
  <message>
   <source>Needs the package openpyxl, which Slicer does not bring along: you are asked before it is installed.</source>
   <translation>Nécessite le paquet openpyxl, que Slicer ne fournit pas : votre accord est demandé avant l'installation.</translation>
  </message>
  <message>
   <source>Needs the source series in Slicer's DICOM database; patient and study are theirs.</source>
   <translation>Nécessite les séries d'origine dans la base DICOM de Slicer ; patient et étude sont les leurs.</translation>
  </message>
  <message>
   <source>No segments yet? Run it on the CT; the tasks total, liver_segments, liver_vessels and liver_lesions need no licence. Or draw in Segment Editor, or load SEG, RT structures or masks.</source>
   <translation>Pas encore de segments ? Lancez-le sur le CT ; les tâches total, liver_segments, liver_vessels et liver_lesions ne demandent pas de licence. Ou dessinez dans Segment Editor, ou chargez SEG, structures RT ou masques.</translation>
  </message>
  <message>
   <source>Number of the treatment cycle, from 1.</source>
   <translation>Numéro du cycle de traitement, à partir de 1.</translation>
  </message>
  <message>
   <source>Of the maximum, or of the difference of maximum and background.</source>
   <translation>Du maximum, ou de la différence entre maximum et fond.</translation>
  </message>
  <message>
   <source>Of the patient, for SUV.</source>
   <translation>Du patient, pour le SUV.</translation>
  </message>
  <message>
   <source>Of the patient.</source>
   <translation>Du patient.</translation>
  </message>
  <message>
   <source>Onto:</source>
   <translation>Sur :</translation>
  </message>
  <message>
   <source>Open report</source>
   <translation>Ouvrir le rapport</translation>
  </message>
  <message>
   <source>Open the module TotalSegmentator, if its extension is installed; segment the CT there, then choose the segmentation here</source>
   <translation>Ouvrir le module TotalSegmentator, si son extension est installée ; y segmenter le CT, puis choisir la segmentation ici</translation>
  </message>
  <message>
   <source>PRRT Uptake</source>
   <translation>PRRT Uptake</translation>
  </message>
  <message>
   <source>Part of its contrast that each sphere keeps, in the order of the volumes, 1 for all of it, separated by spaces or commas</source>
   <translation>Part de contraste que conserve chaque sphère, dans l'ordre des volumes, 1 pour la totalité, séparées par des espaces ou des virgules</translation>
  </message>
  <message>
   <source>Part of the extension PRRT, Apache License 2.0.</source>
   <translation>Fait partie de l'extension PRRT, licence Apache 2.0.</translation>
  </message>
  <message>
   <source>Part the liver by the plane or the curved cut</source>
   <translation>Diviser le foie par le plan ou la coupe courbe</translation>
  </message>
  <message>
   <source>Patient</source>
   <translation>Patient</translation>
  </message>
  <message>
   <source>Patient:</source>
   <translation>Patient :</translation>
  </message>
  <message>
   <source>Patients of Slicer's DICOM database; import others in the DICOM module.</source>
   <translation>Patients de la base DICOM de Slicer ; importez-en d'autres dans le module DICOM.</translation>
  </message>
  <message>
   <source>Phantom, mL:</source>
   <translation>Fantôme, mL :</translation>
  </message>
  <message>
   <source>Pick targets</source>
   <translation>Choisir les cibles</translation>
  </message>
  <message>
   <source>Place lobe plane</source>
   <translation>Placer le plan des lobes</translation>
  </message>
  <message>
   <source>Place points</source>
   <translation>Placer les points</translation>
  </message>
  <message>
   <source>Points:</source>
   <translation>Points :</translation>
  </message>
  <message>
   <source>Propose visits</source>
   <translation>Proposer les visites</translation>
  </message>
  <message>
   <source>Protocol (*.json)</source>
   <translation>Protocole (*.json)</translation>
  </message>
  <message>
   <source>Protocol file:</source>
   <translation>Fichier du protocole :</translation>
  </message>
  <message>
   <source>Protocol:</source>
   <translation>Protocole :</translation>
  </message>
  <message>
   <source>Put a plane through gallbladder and vena cava, to be dragged in the views</source>
   <translation>Placer un plan par la vésicule et la veine cave, à déplacer dans les vues</translation>
  </message>
  <message>
   <source>Quality</source>
   <translation>Qualité</translation>
  </message>
  <message>
   <source>Quantity</source>
   <translation>Grandeur</translation>
  </message>
  <message>
   <source>R </source>
   <translation>R </translation>
  </message>
  <message>
   <source>Read the image again with these</source>
   <translation>Relire l'image avec ces valeurs</translation>
  </message>
  <message>
   <source>Reason:</source>
   <translation>Motif :</translation>
  </message>
  <message>
   <source>Recognise</source>
   <translation>Reconnaître</translation>
  </message>
  <message>
   <source>Recoveries:</source>
   <translation>Recouvrements :</translation>
  </message>
  <message>
   <source>Register</source>
   <translation>Recaler</translation>
  </message>
  <message>
   <source>Register all visits</source>
   <translation>Recaler toutes les visites</translation>
  </message>
  <message>
   <source>Registers the liver's change of shape with breathing too (deformable). Needs a liver segment.</source>
   <translation>Recale aussi la déformation respiratoire du foie. Nécessite un segment du foie.</translation>
  </message>
  <message>
   <source>Replace</source>
   <translation>Remplacer</translation>
  </message>
  <message>
   <source>Role</source>
   <translation>Rôle</translation>
  </message>
  <message>
   <source>Role:</source>
   <translation>Rôle :</translation>
  </message>
  <message>
   <source>Route:</source>
   <translation>Voie :</translation>
  </message>
  <message>
   <source>Rules:</source>
   <translation>Règles :</translation>
  </message>
  <message>
   <source>S </source>
   <translation>S </translation>
  </message>
  <message>
   <source>Say what each segment is, from its name or terminology</source>
   <translation>Dire ce qu'est chaque segment, d'après son nom ou la terminologie</translation>
  </message>
  <message>
   <source>Scene too (.mrb)</source>
   <translation>Scène aussi (.mrb)</translation>
  </message>
  <message>
   <source>Segment</source>
   <translation>Segment</translation>
  </message>
  <message>
   <source>Segmentation:</source>
   <translation>Segmentation :</translation>
  </message>
  <message>
   <source>Segments I, IV fed by:</source>
   <translation>Segments I, IV nourris par :</translation>
  </message>
  <message>
   <source>Self-test (in PRRT Dosimetry)</source>
   <translation>Autotest (dans PRRT Dosimetry)</translation>
  </message>
  <message>
   <source>Sensitivity of the gamma camera, for images of counts.</source>
   <translation>Sensibilité de la gamma-caméra, pour les images de coups.</translation>
  </message>
  <message>
   <source>Shift</source>
   <translation>Décaler</translation>
  </message>
  <message>
   <source>Shift in:</source>
   <translation>Décaler dans :</translation>
  </message>
  <message>
   <source>Show table and chart</source>
   <translation>Montrer tableau et graphique</translation>
  </message>
  <message>
   <source>Split lesions</source>
   <translation>Séparer les lésions</translation>
  </message>
  <message>
   <source>Split liver into lobes</source>
   <translation>Diviser le foie en lobes</translation>
  </message>
  <message>
   <source>T</source>
   <translation>T</translation>
  </message>
  <message>
   <source>T/N</source>
   <translation>T/N</translation>
  </message>
  <message>
   <source>Table for Excel too (.xlsx)</source>
   <translation>Tableau pour Excel aussi (.xlsx)</translation>
  </message>
  <message>
   <source>Table:</source>
   <translation>Tableau :</translation>
  </message>
  <message>
   <source>Tables and DICOM without names, dates shifted; to be sent out. Report and scene are not in it.</source>
   <translation>Tableaux et DICOM sans noms, dates décalées ; à envoyer. Rapport et scène n'y sont pas.</translation>
  </message>
  <message>
   <source>Target</source>
   <translation>Cible</translation>
  </message>
  <message>
   <source>Target instead of:</source>
   <translation>Cible à la place de :</translation>
  </message>
  <message>
   <source>Targets by rule alone</source>
   <translation>Cibles selon la règle</translation>
  </message>
  <message>
   <source>The image in which the lesion of the chosen row is off its place; images and segments stay as they are.</source>
   <translation>L'image où la lésion de la ligne choisie n'est pas à sa place ; images et segments restent tels quels.</translation>
  </message>
  <message>
   <source>The image that stays, on which the segments are drawn.</source>
   <translation>L'image qui reste en place, sur laquelle sont dessinés les segments.</translation>
  </message>
  <message>
   <source>The image to be moved (CT, MRI or PET of another visit).</source>
   <translation>L'image à déplacer (TDM, IRM ou TEP d'une autre visite).</translation>
  </message>
  <message>
   <source>The lesion is no farther than this from its point.</source>
   <translation>La lésion n'est pas plus loin que cela de son point.</translation>
  </message>
  <message>
   <source>The target that the chosen lesion replaces.</source>
   <translation>La cible que la lésion choisie remplace.</translation>
  </message>
  <message>
   <source>The trial's rules: targets, reference region, metric and endpoint.</source>
   <translation>Les règles de l'essai : cibles, région de référence, mesure et critère de jugement.</translation>
  </message>
  <message>
   <source>Time after injection</source>
   <translation>Délai après injection</translation>
  </message>
  <message>
   <source>Time from injection to scan.</source>
   <translation>Délai entre l'injection et l'examen.</translation>
  </message>
  <message>
   <source>Time zone:</source>
   <translation>Fuseau horaire :</translation>
  </message>
  <message>
   <source>TotalSegmentator</source>
   <translation>TotalSegmentator</translation>
  </message>
  <message>
   <source>Transform:</source>
   <translation>Transformation :</translation>
  </message>
  <message>
   <source>Treated lobe:</source>
   <translation>Lobe traité :</translation>
  </message>
  <message>
   <source>Undo</source>
   <translation>Annuler</translation>
  </message>
  <message>
   <source>Units of the voxel values; loaded PET and SPECT know theirs.</source>
   <translation>Unité des valeurs des voxels ; les TEP et TEMP chargées connaissent la leur.</translation>
  </message>
  <message>
   <source>Units:</source>
   <translation>Unités :</translation>
  </message>
  <message>
   <source>Uptake of liver metastases and healthy liver in PET and SPECT, lobe against lobe or intra-arterial against intravenous, by a trial's protocol. For research use only.</source>
   <translation>Fixation des métastases hépatiques et du foie sain en TEP et TEMP, lobe contre lobe ou intra-artériel contre intraveineux, selon le protocole d'un essai. Réservé à la recherche.</translation>
  </message>
  <message>
   <source>Use transform</source>
   <translation>Utiliser la transformation</translation>
  </message>
  <message>
   <source>Values that go before the header's</source>
   <translation>Valeurs qui priment sur l'en-tête</translation>
  </message>
  <message>
   <source>Visit</source>
   <translation>Visite</translation>
  </message>
  <message>
   <source>Visit:</source>
   <translation>Visite :</translation>
  </message>
  <message>
   <source>Volume</source>
   <translation>Volume</translation>
  </message>
  <message>
   <source>Volumes in mL of the spheres of a phantom that was measured with this camera, separated by spaces or commas. With their recoveries, targets have values corrected for partial volume too, next to the others.</source>
   <translation>Volumes en mL des sphères d'un fantôme mesuré avec cette caméra, séparés par des espaces ou des virgules. Avec leurs recouvrements, les cibles ont aussi des valeurs corrigées du volume partiel, à côté des autres.</translation>
  </message>
  <message>
   <source>Weight:</source>
   <translation>Poids :</translation>
  </message>
  <message>
   <source>What is to be completed in the fields below</source>
   <translation>Ce qui est à compléter dans les champs ci-dessous</translation>
  </message>
  <message>
   <source>What one voxel holds; reconstructions differ in this.</source>
   <translation>Ce que contient un voxel ; les reconstructions diffèrent sur ce point.</translation>
  </message>
  <message>
   <source>What parts the lobes: a plane to be dragged in the views, or a curve or point list of the Markups module, with three points or more, for a curved cut. Without one: the lobes that are drawn, Couinaud segments, or the plane through gallbladder and vena cava.</source>
   <translation>Ce qui sépare les lobes : un plan à déplacer dans les vues, ou une courbe ou liste de points du module Markups, d'au moins trois points, pour une coupe courbe. Sinon : les lobes dessinés, les segments de Couinaud, ou le plan par la vésicule et la veine cave.</translation>
  </message>
  <message>
   <source>What the angiography showed; the reason is kept and reported.</source>
   <translation>Ce qu'a montré l'angiographie ; le motif est conservé et rapporté.</translation>
  </message>
  <message>
   <source>What the chosen segment is, where its name does not say.</source>
   <translation>Ce qu'est le segment choisi, si son nom ne le dit pas.</translation>
  </message>
  <message>
   <source>What the volume is used for.</source>
   <translation>À quoi sert le volume.</translation>
  </message>
  <message>
   <source>Where the lesions are seen.</source>
   <translation>Où l'on voit les lésions.</translation>
  </message>
  <message>
   <source>Where the measurements go; a new table is made if none is chosen.</source>
   <translation>Où vont les mesures ; un nouveau tableau est créé si aucun n'est choisi.</translation>
  </message>
  <message>
   <source>Where two lesions touch: at the waist of the chosen one.</source>
   <translation>Là où deux lésions se touchent : à l'étranglement de celle qui est choisie.</translation>
  </message>
  <message>
   <source>Which image is moved by which transform.</source>
   <translation>Quelle image est déplacée par quelle transformation.</translation>
  </message>
  <message>
   <source>Which lobe's artery was infused; leave it blinded until the analysis is unblinded.</source>
   <translation>Le lobe dont l'artère a été perfusée ; laissez en aveugle jusqu'à la levée.</translation>
  </message>
  <message>
   <source>Why; it is kept with the image and reported.</source>
   <translation>Pourquoi ; conservé avec l'image et rapporté.</translation>
  </message>
  <message>
   <source>Why; the reason is kept and reported.</source>
   <translation>Pourquoi ; le motif est conservé et rapporté.</translation>
  </message>
  <message>
   <source>With one key a patient keeps the same subject name in every bundle; the file is made if it is not there. Without one the names cannot be traced back.</source>
   <translation>Avec une même clé, un patient garde le même nom de sujet dans chaque archive ; le fichier est créé s'il n'existe pas. Sans clé, on ne peut pas remonter aux noms.</translation>
  </message>
  <message>
   <source>Within:</source>
   <translation>À moins de :</translation>
  </message>
  <message>
   <source>Write the whole scene beside the report.</source>
   <translation>Écrire toute la scène à côté du rapport.</translation>
  </message>
  <message>
   <source>Writing</source>
   <translation>Écriture</translation>
  </message>
  <message>
   <source>automatic</source>
   <translation>automatique</translation>
  </message>
  <message>
   <source>choose...</source>
   <translation>choisir...</translation>
  </message>
  <message>
   <source>first measured image</source>
   <translation>première image mesurée</translation>
  </message>
  <message>
   <source>identifier for tables and reports</source>
   <translation>identifiant pour tableaux et rapports</translation>
  </message>
  <message>
   <source>mL</source>
   <translation>mL</translation>
  </message>
  <message>
   <source>mm</source>
   <translation>mm</translation>
  </message>
  <message>
   <source>new list</source>
   <translation>nouvelle liste</translation>
  </message>
  <message>
   <source>new table</source>
   <translation>nouveau tableau</translation>
  </message>
  <message>
   <source>new transform</source>
   <translation>nouvelle transformation</translation>
  </message>
  <message>
   <source>not stated</source>
   <translation>non indiqué</translation>
  </message>
  <message>
   <source>p.i.</source>
   <translation>p.i.</translation>
  </message>
  <message>
   <source>reason</source>
   <translation>motif</translation>
  </message>
  <message>
   <source>recovery of each sphere</source>
   <translation>recouvrement de chaque sphère</translation>
  </message>
  <message>
   <source>volumes of the spheres, for corrected values</source>
   <translation>volumes des sphères, pour des valeurs corrigées</translation>
  </message>
  <message>
   <source>why the header is not right</source>
   <translation>pourquoi l'en-tête n'est pas juste</translation>
  </message>
 </context>
 <context>
  <name>panel.choices</name>
  <message>
   <source>blinded</source>
   <translation>en aveugle</translation>
  </message>
  <message>
   <source>caudate</source>
   <translation>caudé</translation>
  </message>
  <message>
   <source>fixed threshold</source>
   <translation>seuil fixe</translation>
  </message>
  <message>
   <source>left</source>
   <translation>gauche</translation>
  </message>
  <message>
   <source>lesion</source>
   <translation>lésion</translation>
  </message>
  <message>
   <source>lobe</source>
   <translation>lobe</translation>
  </message>
  <message>
   <source>none</source>
   <translation>aucun</translation>
  </message>
  <message>
   <source>organ</source>
   <translation>organe</translation>
  </message>
  <message>
   <source>reference</source>
   <translation>référence</translation>
  </message>
  <message>
   <source>right</source>
   <translation>droit</translation>
  </message>
  <message>
   <source>share above background</source>
   <translation>part au-dessus du fond</translation>
  </message>
  <message>
   <source>share of the maximum</source>
   <translation>part du maximum</translation>
  </message>
  <message>
   <source>steepest slope</source>
   <translation>pente maximale</translation>
  </message>
  <message>
   <source>target</source>
   <translation>cible</translation>
  </message>
 </context>
 <context>
  <name>panel.database</name>
  <message>
   <source>Cycles {cycles} are there; cycle {n} is loaded.</source>
   <translation>Les cycles {cycles} sont là ; le cycle {n} est chargé.</translation>
  </message>
  <message>
   <source>From DICOM database</source>
   <translation>Depuis la base DICOM</translation>
  </message>
  <message>
   <source>Loaded; nothing is open.</source>
   <translation>Chargé ; rien ne reste ouvert.</translation>
  </message>
  <message>
   <source>The patient could not be loaded.</source>
   <translation>Le patient n'a pas pu être chargé.</translation>
  </message>
  <message>
   <source>There is no patient in the DICOM database: import the images in the DICOM module.</source>
   <translation>Il n'y a pas de patient dans la base DICOM : importez les images dans le module DICOM.</translation>
  </message>
 </context>
 <context>
  <name>panel.export_options</name>
  <message>
   <source>A de-identified bundle needs the DICOM: choose 'DICOM too' as well.</source>
   <translation>L'archive dé-identifiée a besoin du DICOM : cochez aussi l'export DICOM.</translation>
  </message>
 </context>
 <context>
  <name>panel.images</name>
  <message>
   <source>Complete '{name}' in section 2: it lacks {lacks}.</source>
   <translation>Complétez « {name} » en section 2 : il manque {lacks}.</translation>
  </message>
  <message>
   <source>Every image in use has its visit.</source>
   <translation>Chaque image utilisée a sa visite.</translation>
  </message>
  <message>
   <source>Load a PET or SPECT image and give it the role 'measured' in section 2.</source>
   <translation>Chargez une image TEP ou TEMP et donnez-lui le rôle « mesurée » en section 2.</translation>
  </message>
  <message>
   <source>Name the visits by route, time after injection or day of the scan</source>
   <translation>Nommer les visites selon la voie, le délai après injection ou le jour de l'examen</translation>
  </message>
  <message>
   <source>SUVbw</source>
   <translation>SUVbw</translation>
  </message>
  <message>
   <source>The image could not be described.</source>
   <translation>L'image n'a pas pu être décrite.</translation>
  </message>
  <message>
   <source>The visits could not be named.</source>
   <translation>Les visites n'ont pas pu être nommées.</translation>
  </message>
  <message>
   <source>Two measured images are called '{visit}': give each visit its own name.</source>
   <translation>Deux images mesurées s'appellent « {visit} » : donnez à chaque visite son propre nom.</translation>
  </message>
  <message>
   <source>Visits: {names}.</source>
   <translation>Visites : {names}.</translation>
  </message>
  <message>
   <source>activity</source>
   <translation>activité</translation>
  </message>
  <message>
   <source>anatomy</source>
   <translation>anatomie</translation>
  </message>
  <message>
   <source>attenuation</source>
   <translation>atténuation</translation>
  </message>
  <message>
   <source>into a vein (IV)</source>
   <translation>dans une veine (IV)</translation>
  </message>
  <message>
   <source>into an artery (IA)</source>
   <translation>dans une artère (IA)</translation>
  </message>
  <message>
   <source>measured</source>
   <translation>mesurée</translation>
  </message>
  <message>
   <source>not stated</source>
   <translation>non indiqué</translation>
  </message>
  <message>
   <source>not used</source>
   <translation>non utilisé</translation>
  </message>
  <message>
   <source>time after injection</source>
   <translation>délai après injection</translation>
  </message>
  <message>
   <source>units</source>
   <translation>unités</translation>
  </message>
  <message>
   <source>visit</source>
   <translation>visite</translation>
  </message>
 </context>
 <context>
  <name>panel.measure</name>
  <message>
   <source>Kept for {lesion} in '{image}': Apply again to measure it there.</source>
   <translation>Conservé pour {lesion} dans « {image} » : appliquez de nouveau pour la mesurer à cet endroit.</translation>
  </message>
  <message>
   <source>Lesion</source>
   <translation>Lésion</translation>
  </message>
  <message>
   <source>Lobe</source>
   <translation>Lobe</translation>
  </message>
  <message>
   <source>Measure every region of every measured image</source>
   <translation>Mesurer chaque région de chaque image mesurée</translation>
  </message>
  <message>
   <source>Measure first.</source>
   <translation>Mesurez d'abord.</translation>
  </message>
  <message>
   <source>Measure {lesion} there from now on; three zeros take that back.</source>
   <translation>Mesurer désormais {lesion} à cet endroit ; trois zéros l'annulent.</translation>
  </message>
  <message>
   <source>Measure, and choose a lesion's row.</source>
   <translation>Mesurez, puis choisissez la ligne d'une lésion.</translation>
  </message>
  <message>
   <source>Measured; {count} rows are in the table '{name}'.</source>
   <translation>Mesuré ; {count} lignes dans le tableau « {name} ».</translation>
  </message>
  <message>
   <source>Measuring</source>
   <translation>Mesure</translation>
  </message>
  <message>
   <source>Show them in Slicer's table and plot views</source>
   <translation>Les montrer dans les vues tableau et graphique de Slicer</translation>
  </message>
  <message>
   <source>Table and chart could not be shown.</source>
   <translation>Tableau et graphique n'ont pas pu être montrés.</translation>
  </message>
  <message>
   <source>The images could not be measured.</source>
   <translation>Les images n'ont pas pu être mesurées.</translation>
  </message>
  <message>
   <source>The lesion could not be shifted.</source>
   <translation>La lésion n'a pas pu être décalée.</translation>
  </message>
  <message>
   <source>Visit</source>
   <translation>Visite</translation>
  </message>
 </context>
 <context>
  <name>panel.overrides</name>
  <message>
   <source>'{text}' has no difference from UTC: add it, for instance +01:00.</source>
   <translation>« {text} » n'indique pas le décalage par rapport à UTC : ajoutez-le, par exemple +01:00.</translation>
  </message>
  <message>
   <source>'{text}' is not a date and time: write 2026-03-04 09:30 +01:00.</source>
   <translation>« {text} » n'est pas une date avec heure : écrivez 2026-03-04 09:30 +01:00.</translation>
  </message>
  <message>
   <source>Choose a measured image in the table.</source>
   <translation>Choisissez une image mesurée dans le tableau.</translation>
  </message>
  <message>
   <source>Give the reason.</source>
   <translation>Indiquez le motif.</translation>
  </message>
  <message>
   <source>Nothing is stated: fill in at least one value that goes before the header's.</source>
   <translation>Rien n'est indiqué : donnez au moins une valeur qui remplace celle de l'en-tête.</translation>
  </message>
  <message>
   <source>Read again with the stated values: {reason}.</source>
   <translation>Relue avec les valeurs indiquées : {reason}.</translation>
  </message>
  <message>
   <source>Read the image from its DICOM with these values before the header's; both are kept with it</source>
   <translation>Relire l'image depuis son DICOM, ces valeurs remplaçant celles de l'en-tête ; les deux sont conservées avec elle</translation>
  </message>
  <message>
   <source>Reading</source>
   <translation>Lecture</translation>
  </message>
  <message>
   <source>The image could not be read again.</source>
   <translation>L'image n'a pas pu être relue.</translation>
  </message>
  <message>
   <source>counts of one view</source>
   <translation>coups d'une vue</translation>
  </message>
  <message>
   <source>counts of the whole acquisition</source>
   <translation>coups de toute l'acquisition</translation>
  </message>
  <message>
   <source>counts per second</source>
   <translation>coups par seconde</translation>
  </message>
 </context>
 <context>
  <name>panel.packages</name>
  <message>
   <source>The package {name} is not installed{reason}: switch off what needs it, or agree next time.</source>
   <translation>Le paquet {name} n'est pas installé{reason} : désactivez ce qui en a besoin, ou acceptez la prochaine fois.</translation>
  </message>
 </context>
 <context>
  <name>panel.registration</name>
  <message>
   <source>Choose a transform.</source>
   <translation>Choisissez une transformation.</translation>
  </message>
  <message>
   <source>Choose an image that is moved.</source>
   <translation>Choisissez une image déplacée.</translation>
  </message>
  <message>
   <source>Choose the CT or MRI that stays.</source>
   <translation>Choisissez la TDM ou l'IRM qui reste en place.</translation>
  </message>
  <message>
   <source>Choose the CT or MRI to be moved.</source>
   <translation>Choisissez la TDM ou l'IRM à déplacer.</translation>
  </message>
  <message>
   <source>Choose the image to be moved.</source>
   <translation>Choisissez l'image à déplacer.</translation>
  </message>
  <message>
   <source>Choose two different images.</source>
   <translation>Choisissez deux images différentes.</translation>
  </message>
  <message>
   <source>Find how the image was moved, by CT or MRI, and move it and all others of its visit</source>
   <translation>Trouver, par TDM ou IRM, comment l'image a bougé, et la déplacer avec toutes celles de sa visite</translation>
  </message>
  <message>
   <source>Move the image, and all others of its visit, by the transform</source>
   <translation>Déplacer par la transformation l'image et toutes celles de sa visite</translation>
  </message>
  <message>
   <source>Put the image, and all others of its visit, back where it was</source>
   <translation>Remettre à leur place l'image et toutes celles de sa visite</translation>
  </message>
  <message>
   <source>Register the CT or MRI of every visit onto that of the segments, and move all images of each visit</source>
   <translation>Recaler la TDM ou l'IRM de chaque visite sur celle des segments, et déplacer toutes les images de chaque visite</translation>
  </message>
  <message>
   <source>Registered: {quality}.</source>
   <translation>Recalé : {quality}.</translation>
  </message>
  <message>
   <source>Registering {name}</source>
   <translation>Recalage de {name}</translation>
  </message>
  <message>
   <source>Registering; this takes about half a minute</source>
   <translation>Recalage ; environ une demi-minute</translation>
  </message>
  <message>
   <source>Registration</source>
   <translation>Recalage</translation>
  </message>
  <message>
   <source>Stopped; the visits that were registered before stay so.</source>
   <translation>Arrêté ; les visites déjà recalées le restent.</translation>
  </message>
  <message>
   <source>The image could not be moved.</source>
   <translation>L'image n'a pas pu être déplacée.</translation>
  </message>
  <message>
   <source>The image could not be put back.</source>
   <translation>L'image n'a pas pu être remise à sa place.</translation>
  </message>
  <message>
   <source>The images could not be registered.</source>
   <translation>Les images n'ont pas pu être recalées.</translation>
  </message>
  <message>
   <source>The visits could not be registered.</source>
   <translation>Les visites n'ont pas pu être recalées.</translation>
  </message>
  <message>
   <source>There is no CT or MRI of another visit that is not moved yet.</source>
   <translation>Il n'y a pas de TDM ou d'IRM d'une autre visite qui ne soit pas encore déplacée.</translation>
  </message>
  <message>
   <source>{name}: {quality}.</source>
   <translation>{name} : {quality}.</translation>
  </message>
 </context>
 <context>
  <name>panel.report</name>
  <message>
   <source>Calculate, and write report, tables and provenance</source>
   <translation>Calculer, et écrire rapport, tableaux et provenance</translation>
  </message>
  <message>
   <source>Choose a folder for the results.</source>
   <translation>Choisissez un dossier pour les résultats.</translation>
  </message>
  <message>
   <source>Export first.</source>
   <translation>Exportez d'abord.</translation>
  </message>
  <message>
   <source>Exported to {folder}.</source>
   <translation>Exporté dans {folder}.</translation>
  </message>
  <message>
   <source>Exporting</source>
   <translation>Export</translation>
  </message>
  <message>
   <source>Open it in the web browser</source>
   <translation>L'ouvrir dans le navigateur</translation>
  </message>
  <message>
   <source>Stopped; the folder is as it was.</source>
   <translation>Arrêté ; le dossier est inchangé.</translation>
  </message>
  <message>
   <source>The report could not be opened.</source>
   <translation>Le rapport n'a pas pu être ouvert.</translation>
  </message>
  <message>
   <source>The results could not be exported.</source>
   <translation>Les résultats n'ont pas pu être exportés.</translation>
  </message>
 </context>
 <context>
  <name>panel.samples</name>
  <message>
   <source>PRRT synthetic patient: IA versus IV</source>
   <translation>Patient synthétique PRRT : IA contre IV</translation>
  </message>
  <message>
   <source>PRRT synthetic patient: LUTIA</source>
   <translation>Patient synthétique PRRT : LUTIA</translation>
  </message>
  <message>
   <source>PRRT synthetic patient: serial SPECT/CT</source>
   <translation>Patient synthétique PRRT : TEMP/TDM en série</translation>
  </message>
  <message>
   <source>PRRT synthetic patient: single arm, without lobes</source>
   <translation>Patient synthétique PRRT : bras unique, sans lobes</translation>
  </message>
  <message>
   <source>Synthetic patient</source>
   <translation>Patient synthétique</translation>
  </message>
  <message>
   <source>The synthetic patient could not be made.</source>
   <translation>Le patient synthétique n'a pas pu être créé.</translation>
  </message>
 </context>
 <context>
  <name>panel.section</name>
  <message>
   <source>Stopped; nothing was changed.</source>
   <translation>Arrêté ; rien n'a été modifié.</translation>
  </message>
  <message>
   <source>The image could not be shown.</source>
   <translation>L'image n'a pas pu être montrée.</translation>
  </message>
  <message>
   <source>The segment could not be shown.</source>
   <translation>Le segment n'a pas pu être montré.</translation>
  </message>
 </context>
 <context>
  <name>panel.seeds</name>
  <message>
   <source>Add one lesion per point to the segments; then split the lesions, which gives them lobe and id</source>
   <translation>Ajouter une lésion par point aux segments ; séparez ensuite les lésions, ce qui leur donne lobe et identifiant</translation>
  </message>
  <message>
   <source>Choose a segmentation first.</source>
   <translation>Choisissez d'abord une segmentation.</translation>
  </message>
  <message>
   <source>Choose the image in which the lesions are seen.</source>
   <translation>Choisissez l'image où l'on voit les lésions.</translation>
  </message>
  <message>
   <source>Click one point in each lesion; press Escape when done.</source>
   <translation>Cliquez un point dans chaque lésion ; terminez par Échap.</translation>
  </message>
  <message>
   <source>Give the threshold.</source>
   <translation>Indiquez le seuil.</translation>
  </message>
  <message>
   <source>Place one point in each lesion first.</source>
   <translation>Placez d'abord un point dans chaque lésion.</translation>
  </message>
  <message>
   <source>The lesions could not be delineated.</source>
   <translation>Les lésions n'ont pas pu être délinéées.</translation>
  </message>
  <message>
   <source>The points could not be placed.</source>
   <translation>Les points n'ont pas pu être placés.</translation>
  </message>
 </context>
 <context>
  <name>panel.segments</name>
  <message>
   <source>Choose a lesion in the table that is no target.</source>
   <translation>Choisissez dans le tableau une lésion qui n'est pas une cible.</translation>
  </message>
  <message>
   <source>Choose a lesion in the table.</source>
   <translation>Choisissez une lésion dans le tableau.</translation>
  </message>
  <message>
   <source>Choose a segmentation first.</source>
   <translation>Choisissez d'abord une segmentation.</translation>
  </message>
  <message>
   <source>Every segment is recognised.</source>
   <translation>Tous les segments sont reconnus.</translation>
  </message>
  <message>
   <source>Replace the target</source>
   <translation>Remplacer la cible</translation>
  </message>
  <message>
   <source>Say why.</source>
   <translation>Dites pourquoi.</translation>
  </message>
  <message>
   <source>Segments</source>
   <translation>Segments</translation>
  </message>
  <message>
   <source>Split the liver into lobes again.</source>
   <translation>Divisez de nouveau le foie en lobes.</translation>
  </message>
  <message>
   <source>The extension TotalSegmentator is not installed: install it by View &gt; Extensions Manager, or run 'prrt segment' where pip install TotalSegmentator was done.</source>
   <translation>L'extension TotalSegmentator n'est pas installée : installez-la par View &gt; Extensions Manager, ou lancez « prrt segment » là où pip install TotalSegmentator a été fait.</translation>
  </message>
  <message>
   <source>The lesion could not be divided.</source>
   <translation>La lésion n'a pas pu être divisée.</translation>
  </message>
  <message>
   <source>The lesions could not be split.</source>
   <translation>Les lésions n'ont pas pu être séparées.</translation>
  </message>
  <message>
   <source>The liver could not be split.</source>
   <translation>Le foie n'a pas pu être divisé.</translation>
  </message>
  <message>
   <source>The lobe plane could not be placed.</source>
   <translation>Le plan des lobes n'a pas pu être placé.</translation>
  </message>
  <message>
   <source>The lobes could not be assigned.</source>
   <translation>Les lobes n'ont pas pu être attribués.</translation>
  </message>
  <message>
   <source>The reference regions could not be made.</source>
   <translation>Les régions de référence n'ont pas pu être créées.</translation>
  </message>
  <message>
   <source>The segment could not be moved.</source>
   <translation>Le segment n'a pas pu être déplacé.</translation>
  </message>
  <message>
   <source>The segment could not be named.</source>
   <translation>Le segment n'a pas pu être nommé.</translation>
  </message>
  <message>
   <source>The segmentation has no such Couinaud segment.</source>
   <translation>La segmentation n'a pas ce segment de Couinaud.</translation>
  </message>
  <message>
   <source>The segments could not be recognised.</source>
   <translation>Les segments n'ont pas pu être reconnus.</translation>
  </message>
  <message>
   <source>The target could not be replaced.</source>
   <translation>La cible n'a pas pu être remplacée.</translation>
  </message>
  <message>
   <source>The targets could not be picked.</source>
   <translation>Les cibles n'ont pas pu être choisies.</translation>
  </message>
  <message>
   <source>TotalSegmentator could not be opened.</source>
   <translation>TotalSegmentator n'a pas pu être ouvert.</translation>
  </message>
  <message>
   <source>Which artery feeds the segment, by the angiography; give the reason beside it first</source>
   <translation>Quelle artère nourrit le segment, selon l'angiographie ; indiquez d'abord le motif à côté</translation>
  </message>
  <message>
   <source>Working on the segments</source>
   <translation>Travail sur les segments</translation>
  </message>
  <message>
   <source>anatomy</source>
   <translation>anatomie</translation>
  </message>
  <message>
   <source>left</source>
   <translation>gauche</translation>
  </message>
  <message>
   <source>not stated</source>
   <translation>non indiqué</translation>
  </message>
  <message>
   <source>right</source>
   <translation>droit</translation>
  </message>
  <message>
   <source>yes</source>
   <translation>oui</translation>
  </message>
 </context>
 <context>
  <name>panel.self_test_link</name>
  <message>
   <source>Open PRRT Dosimetry, whose section 5 has the self-test: it checks both modules, from SUV to dose</source>
   <translation>Ouvrir PRRT Dosimetry, dont la section 5 contient l'autotest : il vérifie les deux modules, du SUV à la dose</translation>
  </message>
  <message>
   <source>The module PRRT Dosimetry, which has the self-test, is not loaded.</source>
   <translation>Le module PRRT Dosimetry, qui contient l'autotest, n'est pas chargé.</translation>
  </message>
  <message>
   <source>The self-test is in the module PRRT Dosimetry, section 5.</source>
   <translation>L'autotest est dans le module PRRT Dosimetry, section 5.</translation>
  </message>
 </context>
 <context>
  <name>panel.statistics_plugin</name>
  <message>
   <source>Highest mean of a sphere of 1 mL whose centre is in the segment</source>
   <translation>Moyenne la plus élevée d'une sphère de 1 mL centrée dans le segment</translation>
  </message>
  <message>
   <source>Integral of the image over the segment</source>
   <translation>Intégrale de l'image sur le segment</translation>
  </message>
  <message>
   <source>Mean over the mean of the healthy liver reference of the same lobe, else of the whole liver</source>
   <translation>Moyenne rapportée à celle de la référence de foie sain du même lobe, sinon du foie entier</translation>
  </message>
  <message>
   <source>PRRT uptake</source>
   <translation>Fixation PRRT</translation>
  </message>
  <message>
   <source>SUVpeak</source>
   <translation>SUVpeak</translation>
  </message>
  <message>
   <source>T/N</source>
   <translation>T/N</translation>
  </message>
  <message>
   <source>Total uptake</source>
   <translation>Fixation totale</translation>
  </message>
 </context>
 <context>
  <name>panel.study</name>
  <message>
   <source>Choose the file of your protocol.</source>
   <translation>Choisissez le fichier de votre protocole.</translation>
  </message>
  <message>
   <source>Name the patient in section 1.</source>
   <translation>Nommez le patient en section 1.</translation>
  </message>
  <message>
   <source>Own protocol, from a file</source>
   <translation>Protocole propre, depuis un fichier</translation>
  </message>
  <message>
   <source>{title}. {nuclide} {modality} {time:g} h after injection. Targets above {diameter:g} mm anywhere in the body, up to {total}. Reference: {reference}, {margin:g} mm from lesions.</source>
   <translation>{title}. {nuclide} {modality} {time:g} h après injection. Cibles de plus de {diameter:g} mm partout dans le corps, {total} au plus. Référence : {reference}, à {margin:g} mm des lésions.</translation>
  </message>
  <message>
   <source>{title}. {nuclide} {modality} {time:g} h after injection. Targets above {diameter:g} mm, up to {lobe} per lobe and {total} in all. Reference: {reference}, {margin:g} mm from lesions.</source>
   <translation>{title}. {nuclide} {modality} {time:g} h après injection. Cibles de plus de {diameter:g} mm, {lobe} au plus par lobe et {total} en tout. Référence : {reference}, à {margin:g} mm des lésions.</translation>
  </message>
 </context>
 <context>
  <name>panel.working</name>
  <message>
   <source>Stopped by the user.</source>
   <translation>Arrêté par l'utilisateur.</translation>
  </message>
 </context>
</TS>
