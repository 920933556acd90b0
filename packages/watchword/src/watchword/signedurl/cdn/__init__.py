"""Signed URLs in the forms of content delivery networks that users have already; the network verifies them.

Each knows an expiry and what its network knows beside it, and nothing more: no cut-off ends one of these early.
"""

from __future__ import annotations

from watchword.signedurl.cdn.akamai import AkamaiEdgeAuth
from watchword.signedurl.cdn.cloudflare import CloudflareToken
from watchword.signedurl.cdn.cloudfront import CloudFront
from watchword.signedurl.cdn.fastly import FastlyToken
from watchword.signedurl.cdn.google import GoogleCloudCdn
from watchword.signedurl.cdn.s3 import S3Presigned
from watchword.signedurl.cdn.secure_link import NginxSecureLink

__all__ = [
    "AkamaiEdgeAuth",
    "CloudFront",
    "CloudflareToken",
    "FastlyToken",
    "GoogleCloudCdn",
    "NginxSecureLink",
    "S3Presigned",
]
