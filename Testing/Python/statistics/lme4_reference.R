suppressMessages({library(lme4);library(lmerTest)})
cat(R.version.string, as.character(packageVersion("lme4")), as.character(packageVersion("lmerTest")), "\n")
for (n in 0:9) {
  d <- read.csv(sprintf("d%d.csv", n)); d$y <- log(d$value); d$lobe <- factor(d$lobe, levels=c("control","treated")); d$cycle <- factor(d$cycle)
  single <- max(table(d$patient, d$lobe)) == 1
  f <- if (single) y ~ lobe + (1|patient) else if (nlevels(d$cycle) > 1) y ~ lobe + cycle + (1|patient) + (1|patient:lobe) else y ~ lobe + (1|patient) + (1|patient:lobe)
  m <- suppressMessages(lmerTest::lmer(f, d, REML=TRUE, control=lmerControl(optimizer="bobyqa", optCtrl=list(rhobeg=0.1,rhoend=1e-10,maxfun=1e5))))
  s <- summary(m)$coefficients["lobetreated",]
  v <- as.data.frame(VarCorr(m)); g <- function(k) { x <- v$sdcor[v$grp==k]; if (length(x)) x else 0 }
  p <- suppressWarnings(suppressMessages(confint(lme4::lmer(f, d, REML=TRUE), parm="lobetreated", method="profile", quiet=TRUE)))
  cat(sprintf("%d,%.10f,%.10f,%.10f,%.8f,%.8f,%.8f,%.8f,%.6f,%.6f,%.6f\n", n, REMLcrit(m), s["Estimate"], s["Std. Error"], s["df"], g("patient"), g("patient:lobe"), sigma(m), s["Pr(>|t|)"], p[1], p[2]))
}
