"""Servers that can prove who they are."""
import os

from . import env

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A certificate authority, made by openssl."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate, self.key = self._path("pem"), self._path("key")
        self._openssl("req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj", f"/CN={name}")

    def _path(self, suffix):
        return os.path.join(self.folder, f"{self.name}.{suffix}")

    def _openssl(self, *arguments):
        return env.run(["openssl", *arguments])

    def issue(self, alternative):
        """(certificate, key) of a server with this subjectAltName."""
        request, extensions = self._path("csr"), self._path("ext")
        certificate, key = (self._path(f"{alternative.replace(':', '-')}.{suffix}") for suffix in ("pem", "key"))
        with open(extensions, "w", encoding="utf-8") as f:
            f.write(f"subjectAltName={alternative}\n")
        self._openssl("req", "-new", *NEW_KEY, "-keyout", key, "-out", request, "-subj", "/CN=server")
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile",
                      extensions, "-out", certificate)
        return certificate, key
