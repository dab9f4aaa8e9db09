"""The allowed names of SciPy: matrices, splines and distributions.

No `cKDTree`: its state is raw memory, which it believes.
"""

from __future__ import annotations

from security.model_scan.pickle import call_rules, scipy_rules
from security.model_scan.pickle.allowance import MAKE, NAME, Allowance, Table

# Their state is executed, so it has a rule.
_DISTRIBUTION = Allowance(True, state=scipy_rules.distribution_state, strict=True)

SCIPY: Table = {
    # Compressed matrices: arrays and a shape.
    "scipy.sparse._bsr bsr_array bsr_matrix": MAKE,
    "scipy.sparse._coo coo_array coo_matrix": MAKE,
    "scipy.sparse._csc csc_array csc_matrix": MAKE,
    "scipy.sparse._csr csr_array csr_matrix": MAKE,
    "scipy.sparse._dia dia_array dia_matrix": MAKE,
    "scipy.sparse._dok dok_array dok_matrix": Allowance(True, None, grow=True),
    "scipy.sparse._lil lil_array lil_matrix": MAKE,
    **{f"scipy.sparse.{one} {one}_matrix": MAKE for one in ("bsr", "coo", "csc", "csr", "dia")},
    "scipy.interpolate._bsplines BSpline": MAKE,
    "scipy.interpolate._cubic Akima1DInterpolator CubicSpline PchipInterpolator": MAKE,
    "scipy.interpolate._fitpack2 InterpolatedUnivariateSpline LSQUnivariateSpline": MAKE,
    "scipy.interpolate._fitpack2 UnivariateSpline": MAKE,
    "scipy.interpolate._interpolate BPoly PPoly interp1d": MAKE,
    "scipy.interpolate._interpolate interp1d._call_linear_np interp1d._call_linear": NAME,
    "scipy.interpolate._interpolate interp1d._call_nan_spline interp1d._call_spline": NAME,
    "scipy.interpolate._interpolate interp1d._call_nearest interp1d._call_previousnext": NAME,
    "scipy.interpolate._rgi RegularGridInterpolator": MAKE,
    "scipy.optimize._optimize OptimizeResult": Allowance(True, None, grow=True),
    "scipy._lib._array_api _asarray": NAME,
    "scipy._lib.array_api_compat.numpy._aliases asarray": NAME,
    "scipy.special._ufuncs boxcox expit inv_boxcox logit": NAME,
    "scipy.stats._kde gaussian_kde": MAKE,
    "scipy.stats._covariance CovViaPSD": MAKE,
    "scipy.stats._distn_infrastructure rv_continuous_frozen rv_discrete_frozen": MAKE,
    "scipy.stats._distn_infrastructure rv_frozen": MAKE,
    "scipy.stats._distn_infrastructure rv_sample": _DISTRIBUTION,
    "scipy.stats._multivariate _PSD dirichlet_frozen dirichlet_gen multinomial_frozen": MAKE,
    "scipy.stats._multivariate multinomial_gen multivariate_normal_frozen": MAKE,
    "scipy.stats._multivariate multivariate_normal_gen multivariate_t_frozen": MAKE,
    "scipy.stats._multivariate multivariate_t_gen wishart_frozen wishart_gen": MAKE,
}

# The classes end with `_gen`.
_CONTINUOUS = (
    "alpha anglit arcsine argus beta betaprime bradford burr burr12 cauchy chi chi2 cosine"
    " crystalball dgamma dpareto_lognorm dweibull erlang expon exponnorm exponpow exponweib f"
    " fatiguelife fisk foldcauchy foldnorm gamma gausshyper genexpon genextreme gengamma"
    " genhalflogistic genhyperbolic geninvgauss genlogistic gennorm genpareto gibrat gompertz"
    " gumbel_l gumbel_r halfcauchy halfgennorm halflogistic halfnorm hypsecant invgamma invgauss"
    " invweibull irwinhall jf_skew_t johnsonsb johnsonsu kappa3 kappa4 ksone kstwo kstwobign landau"
    " laplace laplace_asymmetric levy levy_l loggamma logistic loglaplace lognorm lomax loguniform"
    " maxwell mielke moyal nakagami ncf nct ncx2 norm norminvgauss pareto pearson3 powerlaw"
    " powerlognorm powernorm rayleigh rdist recipinvgauss reciprocal rel_breitwigner rice"
    " semicircular skewcauchy skewnorm studentized_range t trapezoid trapz triang truncexpon"
    " truncnorm truncpareto truncweibull_min tukeylambda uniform vonmises wald weibull_max"
    " weibull_min wrapcauchy"
)
_DISCRETE = (
    "bernoulli betabinom betanbinom binom boltzmann dlaplace geom hypergeom logser nbinom"
    " nchypergeom_fisher nchypergeom_wallenius nhypergeom planck poisson poisson_binom randint"
    " skellam yulesimon zipf zipfian"
)


def _of_module(module: str, text: str) -> Table:
    return {f"{module} {name}_gen": _DISTRIBUTION for name in text.split()}


DISTRIBUTIONS: Table = {
    **_of_module("scipy.stats._continuous_distns", _CONTINUOUS),
    **_of_module("scipy.stats._discrete_distns", _DISCRETE),
    "scipy.stats._continuous_distns rv_histogram": _DISTRIBUTION,
    "scipy.spatial.transform._rotation Rotation": Allowance(True, call_rules.anything),
}
