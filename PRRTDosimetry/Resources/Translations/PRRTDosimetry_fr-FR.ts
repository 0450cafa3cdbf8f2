<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr_FR" sourcelanguage="en">
 <context>
  <name>PRRTDosimetry</name>
  <message>
   <source> %</source>
   <translation> %</translation>
  </message>
  <message>
   <source> Gy</source>
   <translation> Gy</translation>
  </message>
  <message>
   <source> MBq</source>
   <translation> MBq</translation>
  </message>
  <message>
   <source> cps</source>
   <translation> cps</translation>
  </message>
  <message>
   <source> cps/MBq</source>
   <translation> cps/MBq</translation>
  </message>
  <message>
   <source> g/mL</source>
   <translation> g/mL</translation>
  </message>
  <message>
   <source> h</source>
   <translation> h</translation>
  </message>
  <message>
   <source> million</source>
   <translation> millions</translation>
  </message>
  <message>
   <source> mm</source>
   <translation> mm</translation>
  </message>
  <message>
   <source> s</source>
   <translation> s</translation>
  </message>
  <message>
   <source>1. Time points</source>
   <translation>1. Temps d'acquisition</translation>
  </message>
  <message>
   <source>2. Curves</source>
   <translation>2. Courbes</translation>
  </message>
  <message>
   <source>3. Dose</source>
   <translation>3. Dose</translation>
  </message>
  <message>
   <source>4. Results</source>
   <translation>4. Résultats</translation>
  </message>
  <message>
   <source>5. Export</source>
   <translation>5. Export</translation>
  </message>
  <message>
   <source>6. Camera</source>
   <translation>6. Caméra</translation>
  </message>
  <message>
   <source>95 % Gy</source>
   <translation>95 % Gy</translation>
  </message>
  <message>
   <source>95 % interval of the dose; where the dose is not corrected for partial volume, the loss is in it</source>
   <translation>Intervalle à 95 % de la dose ; si la dose n'est pas corrigée du volume partiel, la perte y est comprise</translation>
  </message>
  <message>
   <source>95 % interval of the sum; the cycles' errors are taken as shared</source>
   <translation>Intervalle à 95 % de la somme ; les erreurs des cycles sont prises comme communes</translation>
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
   <source>A protocol of your own (a .json file).</source>
   <translation>Votre propre protocole (fichier .json).</translation>
  </message>
  <message>
   <source>Absorbed dose by S-values or spheres</source>
   <translation>Dose absorbée par valeurs S ou sphères</translation>
  </message>
  <message>
   <source>Absorbed dose of organs and lesions from serial SPECT/CT after radionuclide therapy, each with its uncertainty. For research use only.</source>
   <translation>Dose absorbée des organes et des lésions à partir de TEMP/TDM en série après radiothérapie interne vectorisée, chacune avec son incertitude. Réservé à la recherche.</translation>
  </message>
  <message>
   <source>Absorbed dose, all cycles</source>
   <translation>Dose absorbée, tous cycles</translation>
  </message>
  <message>
   <source>Acquisition time of the counts.</source>
   <translation>Durée d'acquisition des coups.</translation>
  </message>
  <message>
   <source>Activity at the time of injection; taken from the images where they state it.</source>
   <translation>Activité au moment de l'injection ; reprise des images si elles l'indiquent.</translation>
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
   <source>Alpha over beta of all lesions; without it they have no biologically effective dose.</source>
   <translation>Alpha sur bêta de toutes les lésions ; sans lui elles n'ont pas de dose biologique effective.</translation>
  </message>
  <message>
   <source>Alpha over beta of the kidneys, for the biologically effective dose.</source>
   <translation>Alpha sur bêta des reins, pour la dose biologique effective.</translation>
  </message>
  <message>
   <source>Apply</source>
   <translation>Appliquer</translation>
  </message>
  <message>
   <source>BED</source>
   <translation>BED</translation>
  </message>
  <message>
   <source>Biologically effective dose in Gy</source>
   <translation>Dose biologique effective en Gy</translation>
  </message>
  <message>
   <source>Biologically effective dose in Gy, formed per cycle and summed</source>
   <translation>Dose biologique effective en Gy, calculée par cycle puis sommée</translation>
  </message>
  <message>
   <source>CAMERA.json: written from the phantom images, or one that is there already.</source>
   <translation>CAMERA.json : écrit à partir des images de fantôme, ou déjà existant.</translation>
  </message>
  <message>
   <source>CT in the space of the first image, for the density; liver, spleen, kidneys and lesions in the liver count as soft tissue, however bright contrast medium makes them.</source>
   <translation>TDM dans l'espace de la première image, pour la densité ; foie, rate, reins et lésions du foie comptent comme tissu mou, quel que soit le rehaussement par le produit de contraste.</translation>
  </message>
  <message>
   <source>CT:</source>
   <translation>TDM :</translation>
  </message>
  <message>
   <source>Calibrate</source>
   <translation>Étalonner</translation>
  </message>
  <message>
   <source>Calibration uncertainty:</source>
   <translation>Incertitude d'étalonnage :</translation>
  </message>
  <message>
   <source>Calibration:</source>
   <translation>Étalonnage :</translation>
  </message>
  <message>
   <source>Camera file (*.json)</source>
   <translation>Fichier de caméra (*.json)</translation>
  </message>
  <message>
   <source>Camera file:</source>
   <translation>Fichier de caméra :</translation>
  </message>
  <message>
   <source>Chooses the phantom of the S-values; taken from the images where they state it.</source>
   <translation>Détermine le fantôme des valeurs S ; repris des images si elles l'indiquent.</translation>
  </message>
  <message>
   <source>Click a row to see points and curve in Slicer's plot view.</source>
   <translation>Cliquez sur une ligne pour voir points et courbe dans la vue graphique de Slicer.</translation>
  </message>
  <message>
   <source>Commission from phantom images</source>
   <translation>Qualifier à partir des images de fantôme</translation>
  </message>
  <message>
   <source>Corr. Gy</source>
   <translation>Gy corr.</translation>
  </message>
  <message>
   <source>Cost</source>
   <translation>Coût</translation>
  </message>
  <message>
   <source>Count rate that the camera showed during the chosen image, as the phantoms of the camera file have it. The dead time of the camera file in use (section 6) is corrected by it when the curves are fitted.</source>
   <translation>Taux de comptage que la caméra a montré pendant l'image choisie, comme l'ont les fantômes du fichier de caméra. Le temps mort du fichier de caméra utilisé (section 6) est corrigé avec lui à l'ajustement des courbes.</translation>
  </message>
  <message>
   <source>Count rate:</source>
   <translation>Taux de comptage :</translation>
  </message>
  <message>
   <source>Covariates:</source>
   <translation>Covariables :</translation>
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
   <source>Cycles</source>
   <translation>Cycles</translation>
  </message>
  <message>
   <source>D2</source>
   <translation>D2</translation>
  </message>
  <message>
   <source>D98</source>
   <translation>D98</translation>
  </message>
  <message>
   <source>DICOM too: SEG, doses (SR), map (RTDOSE)</source>
   <translation>DICOM aussi : SEG, doses (SR), carte (RTDOSE)</translation>
  </message>
  <message>
   <source>De-identified bundle too (.zip)</source>
   <translation>Archive dé-identifiée aussi (.zip)</translation>
  </message>
  <message>
   <source>Density curve:</source>
   <translation>Courbe de densité :</translation>
  </message>
  <message>
   <source>Density:</source>
   <translation>Densité :</translation>
  </message>
  <message>
   <source>Dose</source>
   <translation>Dose</translation>
  </message>
  <message>
   <source>Dose in Gy that 2 % of the volume exceeds</source>
   <translation>Dose en Gy dépassée par 2 % du volume</translation>
  </message>
  <message>
   <source>Dose in Gy that 98 % of the volume exceeds</source>
   <translation>Dose en Gy dépassée par 98 % du volume</translation>
  </message>
  <message>
   <source>Dose maps of cycles calculated in this session, on the first one's image: energy over mass, voxels that are not trusted are counted.</source>
   <translation>Cartes de dose des cycles calculées dans cette session, sur l'image du premier : énergie sur masse, les voxels peu sûrs sont comptés.</translation>
  </message>
  <message>
   <source>Dose of a lesion, corrected for partial volume by the phantom's recoveries; empty where they do not cover it</source>
   <translation>Dose d'une lésion, corrigée du volume partiel par les coefficients de recouvrement du fantôme ; vide s'ils ne la couvrent pas</translation>
  </message>
  <message>
   <source>Dose-volume histograms</source>
   <translation>Histogrammes dose-volume</translation>
  </message>
  <message>
   <source>Doses in Gy whose lines are drawn on a dose map, separated by spaces or commas; those that no voxel reaches are left out.</source>
   <translation>Doses en Gy dont les lignes sont tracées sur la carte de dose, séparées par des espaces ou des virgules ; celles qu'aucun voxel n'atteint sont omises.</translation>
  </message>
  <message>
   <source>Effective half-life of the last phase</source>
   <translation>Période effective de la dernière phase</translation>
  </message>
  <message>
   <source>Electrons:</source>
   <translation>Électrons :</translation>
  </message>
  <message>
   <source>Expected upper over lower end of the 95 % interval, minus 1</source>
   <translation>Borne haute sur borne basse attendues de l'intervalle à 95 %, moins 1</translation>
  </message>
  <message>
   <source>Export</source>
   <translation>Exporter</translation>
  </message>
  <message>
   <source>File of your own settings (JSON): "ct_curve" from Hounsfield values to density, and "tissues" with alpha/beta, repair, EUD and tumour control by organ or region. They go before the values above; leave it empty for none.</source>
   <translation>Fichier de vos propres réglages (JSON) : « ct_curve » des valeurs Hounsfield à la densité, et « tissues » avec alpha/bêta, réparation, EUD et contrôle tumoral par organe ou région. Ils passent avant les valeurs ci-dessus ; laisser vide pour aucun.</translation>
  </message>
  <message>
   <source>Find hours</source>
   <translation>Trouver les heures</translation>
  </message>
  <message>
   <source>Find the hours at which these images say most of the dose, by the population, or by wide assumptions.</source>
   <translation>Trouver les heures où ces images renseignent le mieux sur la dose, selon la population ou des hypothèses larges.</translation>
  </message>
  <message>
   <source>Fit curves</source>
   <translation>Ajuster les courbes</translation>
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
   <source>From Hounsfield values of the CT to mass density. The calibration of your own CT is given in a case file.</source>
   <translation>Des unités Hounsfield de la TDM à la masse volumique. L'étalonnage de votre TDM se donne dans un fichier de cas.</translation>
  </message>
  <message>
   <source>Gy</source>
   <translation>Gy</translation>
  </message>
  <message>
   <source>Half-time of repair of all lesions.</source>
   <translation>Demi-temps de réparation de toutes les lésions.</translation>
  </message>
  <message>
   <source>Half-time of repair of the kidneys.</source>
   <translation>Demi-temps de réparation des reins.</translation>
  </message>
  <message>
   <source>Hours of the images, the expected width of the dose's 95 % interval, and what other sets cost.</source>
   <translation>Heures des images, largeur attendue de l'intervalle à 95 % de la dose, et ce que coûtent les autres choix.</translation>
  </message>
  <message>
   <source>How many images there may be, from 1 to 5.</source>
   <translation>Combien d'images sont possibles, de 1 à 5.</translation>
  </message>
  <message>
   <source>How the patient is called in tables and reports.</source>
   <translation>Nom du patient dans les tableaux et rapports.</translation>
  </message>
  <message>
   <source>Image</source>
   <translation>Image</translation>
  </message>
  <message>
   <source>Images at</source>
   <translation>Images à</translation>
  </message>
  <message>
   <source>In every voxel of a dose map: activity, whose integral gives the dose, or the dose rate of each image.</source>
   <translation>Dans chaque voxel d'une carte de dose : l'activité, dont l'intégrale donne la dose, ou le débit de dose de chaque image.</translation>
  </message>
  <message>
   <source>Integrated:</source>
   <translation>Intégré :</translation>
  </message>
  <message>
   <source>Isodoses, Gy:</source>
   <translation>Isodoses, Gy :</translation>
  </message>
  <message>
   <source>Keep what is in the folder under a dated name</source>
   <translation>Conserver l'ancien dossier sous un nom daté</translation>
  </message>
  <message>
   <source>Kept</source>
   <translation>Conservé</translation>
  </message>
  <message>
   <source>Key of the site:</source>
   <translation>Clé du centre :</translation>
  </message>
  <message>
   <source>Kidneys, repair:</source>
   <translation>Reins, réparation :</translation>
  </message>
  <message>
   <source>Kidneys, α/β:</source>
   <translation>Reins, α/β :</translation>
  </message>
  <message>
   <source>Kinds of regions, separated by commas: kidney, spleen, liver, marrow, lesion.</source>
   <translation>Types de régions, séparés par des virgules : kidney, spleen, liver, marrow, lesion.</translation>
  </message>
  <message>
   <source>Kinetics of your own patients (POPULATION.json), for patients with few images; leave it empty for none.</source>
   <translation>Cinétique de vos propres patients (POPULATION.json), pour les patients avec peu d'images ; laissez vide pour aucune.</translation>
  </message>
  <message>
   <source>Lacks</source>
   <translation>Manque</translation>
  </message>
  <message>
   <source>Lesions, repair:</source>
   <translation>Lésions, réparation :</translation>
  </message>
  <message>
   <source>Lesions, α/β:</source>
   <translation>Lésions, α/β :</translation>
  </message>
  <message>
   <source>Map</source>
   <translation>Carte</translation>
  </message>
  <message>
   <source>Mass</source>
   <translation>Masse</translation>
  </message>
  <message>
   <source>Mass density of the tissue, where it is the same everywhere.</source>
   <translation>Masse volumique du tissu, si elle est la même partout.</translation>
  </message>
  <message>
   <source>Mass, dose with standard uncertainty, biologically effective dose; mean, D98 and D2 of the dose map; part of its contrast that the region's mean keeps at the image's resolution (doses are not corrected for it); where a phantom is given, doses of lesions corrected by its recoveries. Click a row to see the region.</source>
   <translation>Masse, dose avec incertitude type, dose biologique effective ; moyenne, D98 et D2 de la carte de dose ; part de contraste que la moyenne de la région conserve à la résolution de l'image (les doses n'en sont pas corrigées) ; si un fantôme est donné, doses des lésions corrigées par ses coefficients de recouvrement. Cliquez sur une ligne pour voir la région.</translation>
  </message>
  <message>
   <source>Mean of the dose map in Gy</source>
   <translation>Moyenne de la carte de dose en Gy</translation>
  </message>
  <message>
   <source>Mean width</source>
   <translation>Largeur moyenne</translation>
  </message>
  <message>
   <source>Method:</source>
   <translation>Méthode :</translation>
  </message>
  <message>
   <source>Model</source>
   <translation>Modèle</translation>
  </message>
  <message>
   <source>Model of every curve; automatic takes the best by AICc among those that fit.</source>
   <translation>Modèle de chaque courbe ; automatique retient le meilleur selon l'AICc parmi ceux qui conviennent.</translation>
  </message>
  <message>
   <source>Model:</source>
   <translation>Modèle :</translation>
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
   <source>Next time image:</source>
   <translation>Prochaine image :</translation>
  </message>
  <message>
   <source>Number of the treatment cycle, from 1.</source>
   <translation>Numéro du cycle de traitement, à partir de 1.</translation>
  </message>
  <message>
   <source>Of a transport's random numbers: the same seed gives the same map.</source>
   <translation>Des nombres aléatoires du transport : la même graine donne la même carte.</translation>
  </message>
  <message>
   <source>Of a transport, of each kind of radiation: more take longer and leave less statistical uncertainty.</source>
   <translation>Du transport, pour chaque rayonnement : davantage prend plus de temps et laisse moins d'incertitude statistique.</translation>
  </message>
  <message>
   <source>Of a transport: by kernel, or by Monte Carlo too, where their range matters.</source>
   <translation>Du transport : par noyau, ou aussi par Monte Carlo là où leur parcours compte.</translation>
  </message>
  <message>
   <source>Of a transport: voxels of the image are divided until none is wider, each part with the density of the CT. 0 takes the protocol's, else the image's own.</source>
   <translation>D'un transport : les voxels de l'image sont divisés jusqu'à ce qu'aucun ne soit plus large, chaque partie avec la densité du scanner. 0 prend celui du protocole, sinon celui de l'image.</translation>
  </message>
  <message>
   <source>Of the tissue in the dose map.</source>
   <translation>Du tissu dans la carte de dose.</translation>
  </message>
  <message>
   <source>Open report</source>
   <translation>Ouvrir le rapport</translation>
  </message>
  <message>
   <source>Open the page to sign</source>
   <translation>Ouvrir la page à signer</translation>
  </message>
  <message>
   <source>Organs and lesions in the space of all time points; an image may have its own, see below.</source>
   <translation>Organes et lésions dans l'espace de tous les temps ; une image peut avoir les siens, voir ci-dessous.</translation>
  </message>
  <message>
   <source>Own segments:</source>
   <translation>Segments propres :</translation>
  </message>
  <message>
   <source>Own settings:</source>
   <translation>Réglages propres :</translation>
  </message>
  <message>
   <source>PHANTOM.json: which folders hold phantom images, and what was filled.</source>
   <translation>PHANTOM.json : dossiers des images de fantôme, et ce qui a été rempli.</translation>
  </message>
  <message>
   <source>PRRT Dosimetry</source>
   <translation>PRRT Dosimetry</translation>
  </message>
  <message>
   <source>Part of its contrast that each sphere keeps, in the order of the volumes, 1 for all of it, separated by spaces or commas</source>
   <translation>Part de contraste que conserve chaque sphère, dans l'ordre des volumes, 1 pour la totalité, séparées par des espaces ou des virgules</translation>
  </message>
  <message>
   <source>Part of its contrast that the region's mean keeps at the image's resolution; doses are not corrected for it</source>
   <translation>Part de contraste que la moyenne de la région conserve à la résolution de l'image ; les doses n'en sont pas corrigées</translation>
  </message>
  <message>
   <source>Part of the extension PRRT, Apache License 2.0.</source>
   <translation>Fait partie de l'extension PRRT, licence Apache 2.0.</translation>
  </message>
  <message>
   <source>Particles:</source>
   <translation>Particules :</translation>
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
   <source>Phantom file (*.json)</source>
   <translation>Fichier du fantôme (*.json)</translation>
  </message>
  <message>
   <source>Phantom file:</source>
   <translation>Fichier du fantôme :</translation>
  </message>
  <message>
   <source>Phantom, mL:</source>
   <translation>Fantôme, mL :</translation>
  </message>
  <message>
   <source>Planned images</source>
   <translation>Images prévues</translation>
  </message>
  <message>
   <source>Population (*.json)</source>
   <translation>Population (*.json)</translation>
  </message>
  <message>
   <source>Population:</source>
   <translation>Population :</translation>
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
   <source>Radionuclide:</source>
   <translation>Radionucléide :</translation>
  </message>
  <message>
   <source>Recoveries:</source>
   <translation>Recouvrements :</translation>
  </message>
  <message>
   <source>Recovery:</source>
   <translation>Recouvrement :</translation>
  </message>
  <message>
   <source>Region</source>
   <translation>Région</translation>
  </message>
  <message>
   <source>Relative standard uncertainty of a region's counts in one image; weights the points.</source>
   <translation>Incertitude type relative des coups d'une région dans une image ; pondère les points.</translation>
  </message>
  <message>
   <source>Relative standard uncertainty of the S-values.</source>
   <translation>Incertitude type relative des valeurs S.</translation>
  </message>
  <message>
   <source>Relative standard uncertainty of the activity calibration.</source>
   <translation>Incertitude type relative de l'étalonnage en activité.</translation>
  </message>
  <message>
   <source>Resolution (full width at half maximum) of the images as measured for this camera. The part of its contrast that each region keeps, and what its volume costs in counts, follow from it; doses are not corrected by it.</source>
   <translation>Résolution (largeur à mi-hauteur) des images, mesurée pour cette caméra. La part de contraste que chaque région conserve et ce que son volume coûte en coups en découlent ; les doses n'en sont pas corrigées.</translation>
  </message>
  <message>
   <source>Role</source>
   <translation>Rôle</translation>
  </message>
  <message>
   <source>S-value uncertainty:</source>
   <translation>Incertitude des valeurs S :</translation>
  </message>
  <message>
   <source>S-values and spheres give each region's dose with its uncertainty; a dose map adds the dose in every voxel.</source>
   <translation>Valeurs S et sphères donnent la dose de chaque région avec son incertitude ; une carte de dose y ajoute la dose dans chaque voxel.</translation>
  </message>
  <message>
   <source>Says how lobes, lesions and healthy liver are found.</source>
   <translation>Dit comment sont trouvés lobes, lésions et foie sain.</translation>
  </message>
  <message>
   <source>Scene too (.mrb)</source>
   <translation>Scène aussi (.mrb)</translation>
  </message>
  <message>
   <source>Seed:</source>
   <translation>Graine :</translation>
  </message>
  <message>
   <source>Segmentation:</source>
   <translation>Segmentation :</translation>
  </message>
  <message>
   <source>Segments</source>
   <translation>Segments</translation>
  </message>
  <message>
   <source>Segments that were drawn for the chosen image alone.</source>
   <translation>Segments dessinés pour la seule image choisie.</translation>
  </message>
  <message>
   <source>Self-test</source>
   <translation>Autotest</translation>
  </message>
  <message>
   <source>Sensitivity of the camera, for an image of counts.</source>
   <translation>Sensibilité de la caméra, pour une image de coups.</translation>
  </message>
  <message>
   <source>Set</source>
   <translation>Choix</translation>
  </message>
  <message>
   <source>Settings (*.json)</source>
   <translation>Réglages (*.json)</translation>
  </message>
  <message>
   <source>Sex:</source>
   <translation>Sexe :</translation>
  </message>
  <message>
   <source>Show dose map and isodoses</source>
   <translation>Montrer carte de dose et isodoses</translation>
  </message>
  <message>
   <source>Standard uncertainty of the corrected dose</source>
   <translation>Incertitude type de la dose corrigée</translation>
  </message>
  <message>
   <source>Standard uncertainty of the dose</source>
   <translation>Incertitude type de la dose</translation>
  </message>
  <message>
   <source>Standard uncertainty of the sum</source>
   <translation>Incertitude type de la somme</translation>
  </message>
  <message>
   <source>Standard uncertainty of the time-integrated activity, in MBq h</source>
   <translation>Incertitude type de l'activité cumulée, en MBq h</translation>
  </message>
  <message>
   <source>Sum of cycles:</source>
   <translation>Somme des cycles :</translation>
  </message>
  <message>
   <source>Sums over the cycles in the scene.</source>
   <translation>Sommes sur les cycles de la scène.</translation>
  </message>
  <message>
   <source>T eff h</source>
   <translation>T eff h</translation>
  </message>
  <message>
   <source>TIA MBq h</source>
   <translation>TIA MBq h</translation>
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
   <source>The measured images by their time after injection (p.i.); choose a row to complete it below.</source>
   <translation>Les images mesurées selon leur délai après injection (p.i.) ; choisissez une ligne pour la compléter ci-dessous.</translation>
  </message>
  <message>
   <source>Time from injection to scan of the chosen image.</source>
   <translation>Délai entre l'injection et l'examen de l'image choisie.</translation>
  </message>
  <message>
   <source>Time-integrated activity</source>
   <translation>Activité cumulée</translation>
  </message>
  <message>
   <source>Tissue density:</source>
   <translation>Densité du tissu :</translation>
  </message>
  <message>
   <source>Treated lobe:</source>
   <translation>Lobe traité :</translation>
  </message>
  <message>
   <source>Uncertainty of counts:</source>
   <translation>Incertitude des coups :</translation>
  </message>
  <message>
   <source>Units</source>
   <translation>Unités</translation>
  </message>
  <message>
   <source>Use its numbers</source>
   <translation>Utiliser ses valeurs</translation>
  </message>
  <message>
   <source>Volumes in mL of the spheres of a phantom that was measured with this camera, separated by spaces or commas. With their recoveries, lesions have doses corrected for partial volume too, beside the others.</source>
   <translation>Volumes en mL des sphères d'un fantôme mesuré avec cette caméra, séparés par des espaces ou des virgules. Avec leurs recouvrements, les lésions ont aussi des doses corrigées du volume partiel, à côté des autres.</translation>
  </message>
  <message>
   <source>What the population asks for of this patient, such as egfr=60, separated by blanks; the cycle is known. What is left out widens the intervals.</source>
   <translation>Ce que la population demande de ce patient, par exemple egfr=60, séparé par des espaces ; le cycle est connu. Ce qui manque élargit les intervalles.</translation>
  </message>
  <message>
   <source>What was injected.</source>
   <translation>Ce qui a été injecté.</translation>
  </message>
  <message>
   <source>Where the curves go; a new table is made if none is chosen.</source>
   <translation>Où vont les courbes ; un nouveau tableau est créé si aucun n'est choisi.</translation>
  </message>
  <message>
   <source>Where the doses go; a new table is made if none is chosen.</source>
   <translation>Où vont les doses ; un nouveau tableau est créé si aucun n'est choisi.</translation>
  </message>
  <message>
   <source>Which lobe's artery was infused; blinded until the analysis is unblinded.</source>
   <translation>Le lobe dont l'artère a été perfusée ; en aveugle jusqu'à la levée.</translation>
  </message>
  <message>
   <source>Widest voxel:</source>
   <translation>Voxel le plus large :</translation>
  </message>
  <message>
   <source>Width over that of the best set, minus 1</source>
   <translation>Largeur rapportée à celle du meilleur choix, moins 1</translation>
  </message>
  <message>
   <source>With one key a patient keeps the same subject name in every bundle; the file is made if it is not there. Without one the names cannot be traced back.</source>
   <translation>Avec une même clé, un patient garde le même nom de sujet dans chaque archive ; le fichier est créé s'il n'existe pas. Sans clé, on ne peut pas remonter aux noms.</translation>
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
   <source>as above</source>
   <translation>comme ci-dessus</translation>
  </message>
  <message>
   <source>choose...</source>
   <translation>choisir...</translation>
  </message>
  <message>
   <source>for instance 5 10 20 40</source>
   <translation>par exemple 5 10 20 40</translation>
  </message>
  <message>
   <source>g</source>
   <translation>g</translation>
  </message>
  <message>
   <source>identifier for tables and reports</source>
   <translation>identifiant pour tableaux et rapports</translation>
  </message>
  <message>
   <source>new table</source>
   <translation>nouveau tableau</translation>
  </message>
  <message>
   <source>none, or egfr=60</source>
   <translation>aucune, ou egfr=60</translation>
  </message>
  <message>
   <source>not stated</source>
   <translation>non indiqué</translation>
  </message>
  <message>
   <source>not stated: dead time is not corrected</source>
   <translation>non indiqué : temps mort non corrigé</translation>
  </message>
  <message>
   <source>p.i.</source>
   <translation>p.i.</translation>
  </message>
  <message>
   <source>recovery of each sphere</source>
   <translation>recouvrement de chaque sphère</translation>
  </message>
  <message>
   <source>resolution </source>
   <translation>résolution </translation>
  </message>
  <message>
   <source>resolution of the protocol</source>
   <translation>résolution du protocole</translation>
  </message>
  <message>
   <source>that of the image</source>
   <translation>celui de l'image</translation>
  </message>
  <message>
   <source>u</source>
   <translation>u</translation>
  </message>
  <message>
   <source>u Gy</source>
   <translation>u Gy</translation>
  </message>
  <message>
   <source>volumes of the spheres, for corrected doses</source>
   <translation>volumes des sphères, pour des doses corrigées</translation>
  </message>
 </context>
 <context>
  <name>panel.camera</name>
  <message>
   <source>Camera</source>
   <translation>Caméra</translation>
  </message>
  <message>
   <source>Camera file {path} written.</source>
   <translation>Fichier de caméra {path} écrit.</translation>
  </message>
  <message>
   <source>Choose a camera file that is there, or commission the camera.</source>
   <translation>Choisissez un fichier de caméra existant, ou qualifiez la caméra.</translation>
  </message>
  <message>
   <source>Choose the phantom file.</source>
   <translation>Choisissez le fichier du fantôme.</translation>
  </message>
  <message>
   <source>Commission first.</source>
   <translation>Qualifiez d'abord la caméra.</translation>
  </message>
  <message>
   <source>Find the spheres, and write the camera file and its page</source>
   <translation>Trouver les sphères, et écrire le fichier de caméra et sa page</translation>
  </message>
  <message>
   <source>In use: {path}</source>
   <translation>Utilisé : {path}</translation>
  </message>
  <message>
   <source>Open it in the web browser</source>
   <translation>L'ouvrir dans le navigateur</translation>
  </message>
  <message>
   <source>Say where the camera file is to be written.</source>
   <translation>Dites où écrire le fichier de caméra.</translation>
  </message>
  <message>
   <source>Stopped; no camera file was written.</source>
   <translation>Arrêté ; aucun fichier de caméra n'a été écrit.</translation>
  </message>
  <message>
   <source>Take resolution, recovery and the uncertainty of the calibration for the doses</source>
   <translation>Prendre résolution, recouvrement et incertitude d'étalonnage pour les doses</translation>
  </message>
  <message>
   <source>The camera could not be commissioned.</source>
   <translation>La caméra n'a pas pu être qualifiée.</translation>
  </message>
  <message>
   <source>The camera file could not be used.</source>
   <translation>Le fichier de caméra n'a pas pu être utilisé.</translation>
  </message>
  <message>
   <source>The page could not be opened.</source>
   <translation>La page n'a pas pu être ouverte.</translation>
  </message>
 </context>
 <context>
  <name>panel.choices</name>
  <message>
   <source>Monte Carlo (90Y, 68Ga, lung)</source>
   <translation>Monte Carlo (90Y, 68Ga, poumon)</translation>
  </message>
  <message>
   <source>S-values of organs and spheres</source>
   <translation>Valeurs S des organes et sphères</translation>
  </message>
  <message>
   <source>Schneider et al. 2000</source>
   <translation>Schneider et al. 2000</translation>
  </message>
  <message>
   <source>activity</source>
   <translation>activité</translation>
  </message>
  <message>
   <source>as the protocol says, else activity</source>
   <translation>selon le protocole, sinon l'activité</translation>
  </message>
  <message>
   <source>as the protocol says, else not</source>
   <translation>selon le protocole, sinon pas de somme</translation>
  </message>
  <message>
   <source>by deformable registration</source>
   <translation>par recalage déformable</translation>
  </message>
  <message>
   <source>by rigid registration</source>
   <translation>par recalage rigide</translation>
  </message>
  <message>
   <source>dose map by local deposition, and S-values</source>
   <translation>carte de dose par dépôt local, et valeurs S</translation>
  </message>
  <message>
   <source>dose map by transport through the CT (ompmc), and S-values</source>
   <translation>carte de dose par transport dans la TDM (ompmc), et valeurs S</translation>
  </message>
  <message>
   <source>dose map by voxel S-values, and S-values</source>
   <translation>carte de dose par valeurs S de voxel, et valeurs S</translation>
  </message>
  <message>
   <source>dose rate of each image in its own tissues</source>
   <translation>débit de dose de chaque image dans ses propres tissus</translation>
  </message>
  <message>
   <source>female</source>
   <translation>féminin</translation>
  </message>
  <message>
   <source>kernel, scaled by density</source>
   <translation>noyau, ajusté à la densité</translation>
  </message>
  <message>
   <source>male</source>
   <translation>masculin</translation>
  </message>
  <message>
   <source>not stated</source>
   <translation>non indiqué</translation>
  </message>
  <message>
   <source>not summed</source>
   <translation>pas de somme</translation>
  </message>
  <message>
   <source>of the CT</source>
   <translation>de la TDM</translation>
  </message>
  <message>
   <source>the same everywhere</source>
   <translation>la même partout</translation>
  </message>
  <message>
   <source>water, for phantoms</source>
   <translation>eau, pour les fantômes</translation>
  </message>
 </context>
 <context>
  <name>panel.curves</name>
  <message>
   <source>Curves of {count} regions.</source>
   <translation>Courbes de {count} régions.</translation>
  </message>
  <message>
   <source>Fitting</source>
   <translation>Ajustement</translation>
  </message>
  <message>
   <source>Measure every region at every time, and fit its curve</source>
   <translation>Mesurer chaque région à chaque temps et ajuster sa courbe</translation>
  </message>
  <message>
   <source>The curve could not be shown.</source>
   <translation>La courbe n'a pas pu être montrée.</translation>
  </message>
  <message>
   <source>The curves could not be fitted.</source>
   <translation>Les courbes n'ont pas pu être ajustées.</translation>
  </message>
  <message>
   <source>automatic</source>
   <translation>automatique</translation>
  </message>
 </context>
 <context>
  <name>panel.dose</name>
  <message>
   <source>Calculate a dose map first.</source>
   <translation>Calculez d'abord une carte de dose.</translation>
  </message>
  <message>
   <source>Choose the CT for the density, or another method or density.</source>
   <translation>Choisissez la TDM pour la densité, ou une autre méthode ou densité.</translation>
  </message>
  <message>
   <source>Dose</source>
   <translation>Dose</translation>
  </message>
  <message>
   <source>Doses of {count} regions.</source>
   <translation>Doses de {count} régions.</translation>
  </message>
  <message>
   <source>Fit the curves if they are not, and calculate the doses</source>
   <translation>Ajuster les courbes si besoin, et calculer les doses</translation>
  </message>
  <message>
   <source>Show it on the CT, with the isodoses of section 3</source>
   <translation>La montrer sur la TDM, avec les isodoses de la section 3</translation>
  </message>
  <message>
   <source>Show those of the chosen rows in Slicer's plot view; of the targets where none is chosen</source>
   <translation>Montrer ceux des lignes choisies dans la vue graphique de Slicer ; ceux des cibles si aucune ne l'est</translation>
  </message>
  <message>
   <source>Stopped; the doses are as they were.</source>
   <translation>Arrêté ; les doses sont inchangées.</translation>
  </message>
  <message>
   <source>Sums over the cycles in the scene:</source>
   <translation>Sommes sur les cycles de la scène :</translation>
  </message>
  <message>
   <source>The dose map could not be shown.</source>
   <translation>La carte de dose n'a pas pu être montrée.</translation>
  </message>
  <message>
   <source>The dose maps of cycles {cycles} are summed in '{name}'.</source>
   <translation>Les cartes de dose des cycles {cycles} sont sommées dans « {name} ».</translation>
  </message>
  <message>
   <source>The doses could not be calculated.</source>
   <translation>Les doses n'ont pas pu être calculées.</translation>
  </message>
  <message>
   <source>The histograms could not be shown.</source>
   <translation>Les histogrammes n'ont pas pu être montrés.</translation>
  </message>
 </context>
 <context>
  <name>panel.planning</name>
  <message>
   <source>Finding hours</source>
   <translation>Recherche des heures</translation>
  </message>
  <message>
   <source>Images at {hours} say most of the dose.</source>
   <translation>Les images à {hours} renseignent le mieux sur la dose.</translation>
  </message>
  <message>
   <source>The hours could not be found.</source>
   <translation>Les heures n'ont pas pu être trouvées.</translation>
  </message>
 </context>
 <context>
  <name>panel.self_test</name>
  <message>
   <source>Choose a folder for the protocol.</source>
   <translation>Choisissez un dossier pour le procès-verbal.</translation>
  </message>
  <message>
   <source>Compute known answers of both modules on this machine, from SUV to dose, and write {file}, to be signed, to the folder; the scene is left alone</source>
   <translation>Calculer sur cette machine des réponses connues des deux modules, du SUV à la dose, et écrire {file}, à signer, dans le dossier ; la scène n'est pas touchée</translation>
  </message>
  <message>
   <source>Self-test</source>
   <translation>Autotest</translation>
  </message>
  <message>
   <source>Self-test: passed {count} of {count}.</source>
   <translation>Autotest : {count} réussis sur {count}.</translation>
  </message>
  <message>
   <source>Stopped; nothing was written.</source>
   <translation>Arrêté ; rien n'a été écrit.</translation>
  </message>
  <message>
   <source>The self-test could not be run.</source>
   <translation>L'autotest n'a pas pu être exécuté.</translation>
  </message>
 </context>
 <context>
  <name>panel.time_points</name>
  <message>
   <source>Choose an image of counts, that is without units.</source>
   <translation>Choisissez une image de coups, c'est-à-dire sans unité.</translation>
  </message>
  <message>
   <source>Give sensitivity and acquisition time.</source>
   <translation>Indiquez sensibilité et durée d'acquisition.</translation>
  </message>
  <message>
   <source>Give the administered activity in section 1.</source>
   <translation>Indiquez l'activité administrée en section 1.</translation>
  </message>
  <message>
   <source>Give the patient's sex in section 1; it chooses the phantom.</source>
   <translation>Indiquez le sexe du patient en section 1 ; il détermine le fantôme.</translation>
  </message>
  <message>
   <source>The count rate could not be set.</source>
   <translation>Le taux de comptage n'a pas pu être fixé.</translation>
  </message>
  <message>
   <source>The image could not be calibrated.</source>
   <translation>L'image n'a pas pu être étalonnée.</translation>
  </message>
  <message>
   <source>The images state {stated:g} MBq, but {chosen:g} MBq is given.</source>
   <translation>Les images indiquent {stated:g} MBq, mais {chosen:g} MBq est donné.</translation>
  </message>
  <message>
   <source>The segments could not be chosen.</source>
   <translation>Les segments n'ont pas pu être choisis.</translation>
  </message>
  <message>
   <source>The time could not be set.</source>
   <translation>Le délai n'a pas pu être fixé.</translation>
  </message>
  <message>
   <source>Turn the counts into Bq/ml</source>
   <translation>Convertir les coups en Bq/ml</translation>
  </message>
  <message>
   <source>counts</source>
   <translation>coups</translation>
  </message>
 </context>
</TS>
