#!/bin/sh
# Starts ml-assets in a container, with the passphrase of the signing key from a secret's file.
set -eu
if [ -s /run/secrets/key-passphrase ]; then
    ML_ASSETS_KEY_PASSPHRASE=$(cat /run/secrets/key-passphrase)
    export ML_ASSETS_KEY_PASSPHRASE
fi
exec ml-assets "$@"
