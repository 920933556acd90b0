"""S3 presigned URLs, made by botocore with a client that the application brings (extra ``s3``).

Holds no signature of its own: Amazon's library knows its regions, its credentials and their rotation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

_MAX_SECONDS: Final = 7 * 86_400
_METHODS: Final = {"GET": "get_object", "HEAD": "head_object", "PUT": "put_object"}


class S3Client(Protocol):
    """What is asked of a client; those of boto3 and botocore are such."""

    def generate_presigned_url(self, ClientMethod: str, /, *, Params: dict[str, Any], ExpiresIn: int) -> str: ...  # noqa: N803


@dataclass(frozen=True, slots=True)
class S3Presigned:
    """Signs for a bucket."""

    client: S3Client
    bucket: str

    def sign(
        self,
        key: str,
        expires: float | timedelta,
        *,
        method: str = "GET",
        content_type: str | None = None,
        content_length: int | None = None,
    ) -> str:
        """One object, for so long. ``content_type`` and ``content_length`` (exact) are of an upload, which must then
        send both as they were signed.

        Raises: ValueError for more than seven days, or another method.
        """
        seconds = int(expires.total_seconds() if isinstance(expires, timedelta) else expires)
        if not 0 < seconds <= _MAX_SECONDS:
            raise ValueError("S3 signs for a second at least and seven days at most")
        if method not in _METHODS or (method != "PUT" and (content_type is not None or content_length is not None)):
            raise ValueError("S3 signs GET, HEAD and PUT, and PUT alone has content")
        given: dict[str, Any] = {"Bucket": self.bucket, "Key": key}
        if content_type is not None:
            given["ContentType"] = content_type
        if content_length is not None:
            given["ContentLength"] = content_length
        return self.client.generate_presigned_url(_METHODS[method], Params=given, ExpiresIn=seconds)
