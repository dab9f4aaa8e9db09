"""The allowed names of boosters: they read their own format from bytes, in native code."""

from __future__ import annotations

from security.model_scan.pickle import call_rules
from security.model_scan.pickle.allowance import MAKE, NAME, Allowance, Table

BOOSTERS: Table = {
    "xgboost.core Booster": MAKE,
    "xgboost.sklearn XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRanker": MAKE,
    "xgboost.sklearn XGBRegressor": MAKE,
    "xgboost.callback EarlyStopping EvaluationMonitor LearningRateScheduler": MAKE,
    "catboost.core CatBoost CatBoostClassifier CatBoostRanker CatBoostRegressor": MAKE,
    "lightgbm.basic Booster": MAKE,
    "lightgbm.sklearn LGBMClassifier LGBMModel LGBMRanker LGBMRegressor": MAKE,
    "lightgbm.sklearn _LGBMLabelEncoder": MAKE,
    "lightgbm.compat _LGBMLabelEncoder": MAKE,
    "lightgbm.basic _ConfigAliases": NAME,
    "lightgbm.callback _EarlyStoppingCallback _LogEvaluationCallback": Allowance(
        True, call_rules.nothing
    ),
}
