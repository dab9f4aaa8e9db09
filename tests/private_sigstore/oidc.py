"""OpenID Connect: the provider of identity tokens, and the double of GitHub Actions' own.

Specification: OpenID Connect Core 1.0 section 2 (*ID Token*) and Discovery 1.0; GitHub's *OpenID
Connect reference* for the claims of a job.
"""

from __future__ import annotations

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

AUDIENCE = "sigstore"
WORKFLOW = "https://github.com/acme/flights/.github/workflows/train.yml@refs/heads/main"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

#: What GitHub says of a job, under the names of its claims.
JOB = {
    "sub": "repo:acme/flights:ref:refs/heads/main",
    "job_workflow_ref": WORKFLOW.removeprefix("https://github.com/"),
    "job_workflow_sha": COMMIT,
    "workflow_ref": WORKFLOW.removeprefix("https://github.com/"),
    "workflow_sha": COMMIT,
    "repository": "acme/flights",
    "repository_id": "1001",
    "repository_owner": "acme",
    "repository_owner_id": "2002",
    "repository_visibility": "private",
    "ref": "refs/heads/main",
    "sha": COMMIT,
    "event_name": "push",
    "run_id": "42",
    "run_attempt": "1",
    "runner_environment": "github-hosted",
}


class IdentityProvider:
    """Gives out tokens and tells true ones from others.

    Args:
        issuer: its address, which is its name.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._key = ec.generate_private_key(ec.SECP256R1())

    def issue(self, seconds: int = 300, **claims: Any) -> str:
        """Give out a token that is good for so long; a negative time is one that is over."""
        now = int(time.time())
        times = {"iat": now + min(seconds, 0), "nbf": now + min(seconds, 0), "exp": now + seconds}
        body = {"iss": self.issuer, "aud": AUDIENCE, **times, **claims}
        return jwt.encode(body, self._key, algorithm="ES256")

    def issue_for_person(self, address: str, seconds: int = 300) -> str:
        """Give out a token of a person, who is known by an e-mail address."""
        return self.issue(seconds, sub=address, email=address, email_verified=True)

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token.

        Raises:
            jwt.PyJWTError: it is not from here, for somebody else, or over.
        """
        return jwt.decode(
            token,
            self._key.public_key(),
            algorithms=["ES256"],
            audience=AUDIENCE,
            issuer=self.issuer,
        )

    def configuration(self) -> dict[str, str]:
        """Return what discovery tells."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
        }
