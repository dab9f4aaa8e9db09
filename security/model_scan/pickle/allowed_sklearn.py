"""The exact names of scikit-learn 1.9 that a model may contain.

The list has public estimators and the objects in a fitted one (losses, links, trees, optimizers,
kernels, splitters, scorers): their state is data, and loading them sets attributes. It excludes
code that loads data sets, opens files or holds a callable outside the list.
"""

from __future__ import annotations

# fmt: off
ESTIMATORS = {
    "calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration",
    "_loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
    "_loss.loss": (
        "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss"
        " HalfPoissonLoss HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity HuberLoss"
        " PinballLoss"
    ),
    "cluster._affinity_propagation": "AffinityPropagation",
    "cluster._agglomerative": "AgglomerativeClustering FeatureAgglomeration",
    "cluster._bicluster": "SpectralBiclustering SpectralCoclustering",
    "cluster._birch": "Birch _CFNode _CFSubcluster",
    "cluster._bisect_k_means": "BisectingKMeans _BisectingTree",
    "cluster._dbscan": "DBSCAN",
    "cluster._hdbscan.hdbscan": "HDBSCAN",
    "cluster._kmeans": "KMeans MiniBatchKMeans",
    "cluster._mean_shift": "MeanShift",
    "cluster._optics": "OPTICS",
    "cluster._spectral": "SpectralClustering",
    "compose._column_transformer": "ColumnTransformer _RemainderColsList make_column_selector",
    "compose._target": "TransformedTargetRegressor",
    "covariance._elliptic_envelope": "EllipticEnvelope",
    "covariance._empirical_covariance": "EmpiricalCovariance",
    "covariance._graph_lasso": "GraphicalLasso GraphicalLassoCV",
    "covariance._robust_covariance": "MinCovDet",
    "covariance._shrunk_covariance": "LedoitWolf OAS ShrunkCovariance",
    "cross_decomposition._pls": "CCA PLSCanonical PLSRegression PLSSVD",
    "decomposition._dict_learning": "DictionaryLearning MiniBatchDictionaryLearning SparseCoder",
    "decomposition._factor_analysis": "FactorAnalysis",
    "decomposition._fastica": "FastICA",
    "decomposition._incremental_pca": "IncrementalPCA",
    "decomposition._kernel_pca": "KernelPCA",
    "decomposition._lda": "LatentDirichletAllocation",
    "decomposition._nmf": "MiniBatchNMF NMF",
    "decomposition._pca": "PCA",
    "decomposition._sparse_pca": "MiniBatchSparsePCA SparsePCA",
    "decomposition._truncated_svd": "TruncatedSVD",
    "discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "dummy": "DummyClassifier DummyRegressor",
    "ensemble._bagging": "BaggingClassifier BaggingRegressor",
    "ensemble._forest": (
        "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier"
        " RandomForestRegressor RandomTreesEmbedding"
    ),
    "ensemble._gb_losses": (
        "BinomialDeviance ExponentialLoss HuberLossFunction LeastAbsoluteError LeastSquaresError"
        " MultinomialDeviance QuantileLossFunction"
    ),
    "ensemble._gb": "GradientBoostingClassifier GradientBoostingRegressor",
    "ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "ensemble._hist_gradient_boosting.gradient_boosting": (
        "HistGradientBoostingClassifier HistGradientBoostingRegressor"
    ),
    "ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "ensemble._iforest": "IsolationForest",
    "ensemble._stacking": "StackingClassifier StackingRegressor",
    "ensemble._voting": "VotingClassifier VotingRegressor",
    "ensemble._weight_boosting": "AdaBoostClassifier AdaBoostRegressor",
    "feature_extraction._dict_vectorizer": "DictVectorizer",
    "feature_extraction._hash": "FeatureHasher",
    "feature_extraction.image": "PatchExtractor",
    "feature_extraction.text": "CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer",
    "feature_selection._from_model": "SelectFromModel",
    "feature_selection._rfe": "RFE RFECV",
    "feature_selection._sequential": "SequentialFeatureSelector",
    "feature_selection._univariate_selection": (
        "GenericUnivariateSelect SelectFdr SelectFpr SelectFwe SelectKBest SelectPercentile"
    ),
    "feature_selection._variance_threshold": "VarianceThreshold",
    "frozen._frozen": "FrozenEstimator",
    "gaussian_process._gpc": "GaussianProcessClassifier _BinaryGaussianProcessClassifierLaplace",
    "gaussian_process._gpr": "GaussianProcessRegressor",
    "gaussian_process.kernels": (
        "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Matern"
        " PairwiseKernel Product RBF RationalQuadratic Sum WhiteKernel"
    ),
    "impute._base": "MissingIndicator SimpleImputer",
    "impute._iterative": "IterativeImputer",
    "impute._knn": "KNNImputer",
    "isotonic": "IsotonicRegression",
    "kernel_approximation": (
        "AdditiveChi2Sampler Nystroem PolynomialCountSketch RBFSampler SkewedChi2Sampler"
    ),
    "kernel_ridge": "KernelRidge",
    "linear_model._base": "LinearRegression",
    "linear_model._bayes": "ARDRegression BayesianRidge",
    "linear_model._coordinate_descent": (
        "ElasticNet ElasticNetCV Lasso LassoCV MultiTaskElasticNet MultiTaskElasticNetCV"
        " MultiTaskLasso MultiTaskLassoCV"
    ),
    "linear_model._glm.glm": (
        "GammaRegressor PoissonRegressor TweedieRegressor _GeneralizedLinearRegressor"
    ),
    "linear_model._huber": "HuberRegressor",
    "linear_model._least_angle": "Lars LarsCV LassoLars LassoLarsCV LassoLarsIC",
    "linear_model._logistic": "LogisticRegression LogisticRegressionCV",
    "linear_model._omp": "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV",
    "linear_model._passive_aggressive": "PassiveAggressiveClassifier PassiveAggressiveRegressor",
    "linear_model._perceptron": "Perceptron",
    "linear_model._quantile": "QuantileRegressor",
    "linear_model._ransac": "RANSACRegressor",
    "linear_model._ridge": "Ridge RidgeCV RidgeClassifier RidgeClassifierCV",
    "linear_model._stochastic_gradient": "SGDClassifier SGDOneClassSVM SGDRegressor",
    "linear_model._theil_sen": "TheilSenRegressor",
    "manifold._classical_mds": "ClassicalMDS",
    "manifold._isomap": "Isomap",
    "manifold._locally_linear": "LocallyLinearEmbedding",
    "manifold._mds": "MDS",
    "manifold._spectral_embedding": "SpectralEmbedding",
    "manifold._t_sne": "TSNE",
    "metrics._scorer": (
        "_CurveScorer _MultimetricScorer _PassthroughScorer _PredictScorer _ProbaScorer _Scorer"
        " _ThresholdScorer"
    ),
    "mixture._bayesian_mixture": "BayesianGaussianMixture",
    "mixture._gaussian_mixture": "GaussianMixture",
    "model_selection._classification_threshold": (
        "FixedThresholdClassifier TunedThresholdClassifierCV"
    ),
    "model_selection._search": "GridSearchCV ParameterGrid ParameterSampler RandomizedSearchCV",
    "model_selection._search_successive_halving": (
        "HalvingGridSearchCV HalvingRandomSearchCV _SubsampleMetaSplitter"
    ),
    "model_selection._split": (
        "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut LeavePGroupsOut"
        " LeavePOut PredefinedSplit RepeatedKFold RepeatedStratifiedKFold ShuffleSplit"
        " StratifiedGroupKFold StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit"
    ),
    "multiclass": "OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier _ConstantPredictor",
    "multioutput": "ClassifierChain MultiOutputClassifier MultiOutputRegressor RegressorChain",
    "naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "neighbors._classification": "KNeighborsClassifier RadiusNeighborsClassifier",
    "neighbors._graph": "KNeighborsTransformer RadiusNeighborsTransformer",
    "neighbors._kde": "KernelDensity",
    "neighbors._lof": "LocalOutlierFactor",
    "neighbors._nca": "NeighborhoodComponentsAnalysis",
    "neighbors._nearest_centroid": "NearestCentroid",
    "neighbors._regression": "KNeighborsRegressor RadiusNeighborsRegressor",
    "neighbors._unsupervised": "NearestNeighbors",
    "neural_network._multilayer_perceptron": "MLPClassifier MLPRegressor",
    "neural_network._rbm": "BernoulliRBM",
    "neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "pipeline": "FeatureUnion Pipeline",
    "preprocessing._data": (
        "Binarizer KernelCenterer MaxAbsScaler MinMaxScaler Normalizer PowerTransformer"
        " QuantileTransformer RobustScaler StandardScaler"
    ),
    "preprocessing._discretization": "KBinsDiscretizer",
    "preprocessing._encoders": "OneHotEncoder OrdinalEncoder",
    "preprocessing._function_transformer": "FunctionTransformer",
    "preprocessing._label": "LabelBinarizer LabelEncoder MultiLabelBinarizer",
    "preprocessing._polynomial": "PolynomialFeatures SplineTransformer",
    "preprocessing._target_encoder": "TargetEncoder",
    "random_projection": "GaussianRandomProjection SparseRandomProjection",
    "semi_supervised._label_propagation": "LabelPropagation LabelSpreading",
    "semi_supervised._self_training": "SelfTrainingClassifier",
    "svm._classes": "LinearSVC LinearSVR NuSVC NuSVR OneClassSVM SVC SVR",
    "tree._classes": (
        "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor"
    ),
    "utils._bunch": "Bunch",
    "utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
}
# A named tuple, and compiled classes: called without arguments or with numbers or arrays, then
# given their state.
CALLED = {
    "impute._iterative": "_ImputerTriplet",
    "_loss._loss": (
        "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss"
        " CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss"
        " CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss"
    ),
    "linear_model._sgd_fast": (
        "EpsilonInsensitive Hinge Huber Log ModifiedHuber SquaredEpsilonInsensitive"
        " SquaredHinge SquaredLoss"
    ),
    "tree._tree": "Tree",
}
# Functions that take a class first and return an empty object of it.
NEW_OBJECTS = {
    "_loss._loss": (
        "__pyx_unpickle_CyAbsoluteError __pyx_unpickle_CyExponentialLoss"
        " __pyx_unpickle_CyHalfBinomialLoss __pyx_unpickle_CyHalfGammaLoss"
        " __pyx_unpickle_CyHalfMultinomialLoss __pyx_unpickle_CyHalfPoissonLoss"
        " __pyx_unpickle_CyHalfSquaredError __pyx_unpickle_CyHalfTweedieLoss"
        " __pyx_unpickle_CyHalfTweedieLossIdentity __pyx_unpickle_CyHuberLoss"
        " __pyx_unpickle_CyPinballLoss"
    ),
    "metrics._dist_metrics": "newObj",
    "neighbors._ball_tree": "newObj",
    "neighbors._kd_tree": "newObj",
}
# Classes that `newObj` instantiates.
BY_NEW_OBJECT = {
    "metrics._dist_metrics": (
        "BrayCurtisDistance BrayCurtisDistance32 BrayCurtisDistance64 CanberraDistance"
        " CanberraDistance32 CanberraDistance64 ChebyshevDistance ChebyshevDistance32"
        " ChebyshevDistance64 DiceDistance DiceDistance32 DiceDistance64 EuclideanDistance"
        " EuclideanDistance32 EuclideanDistance64 HammingDistance HammingDistance32"
        " HammingDistance64 HaversineDistance HaversineDistance32 HaversineDistance64"
        " JaccardDistance JaccardDistance32 JaccardDistance64 KulsinskiDistance"
        " KulsinskiDistance32 KulsinskiDistance64 MahalanobisDistance MahalanobisDistance32"
        " MahalanobisDistance64 ManhattanDistance ManhattanDistance32 ManhattanDistance64"
        " MatchingDistance MatchingDistance32 MatchingDistance64 MinkowskiDistance"
        " MinkowskiDistance32 MinkowskiDistance64 RogersTanimotoDistance"
        " RogersTanimotoDistance32 RogersTanimotoDistance64 RussellRaoDistance"
        " RussellRaoDistance32 RussellRaoDistance64 SEuclideanDistance SEuclideanDistance32"
        " SEuclideanDistance64 SokalMichenerDistance SokalMichenerDistance32"
        " SokalMichenerDistance64 SokalSneathDistance SokalSneathDistance32"
        " SokalSneathDistance64"
    ),
    "neighbors._ball_tree": "BallTree BallTree32 BallTree64",
    "neighbors._kd_tree": "KDTree KDTree32 KDTree64",
}
# Functions in attributes of estimators: pure computations on arrays.
FUNCTIONS = {
    "cluster._kmeans": "_kmeans_single_elkan _kmeans_single_lloyd",
    "feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "feature_selection._univariate_selection": "chi2 f_classif f_oneway f_regression r_regression",
    "metrics._classification": (
        "accuracy_score balanced_accuracy_score brier_score_loss class_likelihood_ratios"
        " cohen_kappa_score d2_brier_score d2_log_loss_score f1_score fbeta_score hamming_loss"
        " hinge_loss jaccard_score log_loss matthews_corrcoef precision_score recall_score"
        " zero_one_loss"
    ),
    "metrics._ranking": (
        "auc average_precision_score coverage_error dcg_score label_ranking_average_precision_score"
        " label_ranking_loss ndcg_score roc_auc_score top_k_accuracy_score"
    ),
    "metrics._scorer": "negative_likelihood_ratio positive_likelihood_ratio",
    "metrics.cluster._supervised": (
        "adjusted_mutual_info_score adjusted_rand_score completeness_score fowlkes_mallows_score"
        " homogeneity_score mutual_info_score normalized_mutual_info_score rand_score"
        " v_measure_score"
    ),
    "metrics.cluster._unsupervised": (
        "calinski_harabasz_score davies_bouldin_score silhouette_score"
    ),
    "metrics.pairwise": (
        "cosine_similarity euclidean_distances laplacian_kernel linear_kernel manhattan_distances"
        " nan_euclidean_distances polynomial_kernel rbf_kernel sigmoid_kernel"
    ),
    "metrics._regression": (
        "d2_absolute_error_score d2_pinball_score d2_tweedie_score explained_variance_score"
        " max_error mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance"
        " mean_pinball_loss mean_poisson_deviance mean_squared_error mean_squared_log_error"
        " mean_tweedie_deviance median_absolute_error r2_score root_mean_squared_error"
        " root_mean_squared_log_error"
    ),
}
# fmt: on
