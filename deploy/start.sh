#!/bin/sh
# Starts ml-assets in a container, with the passphrase of the signing key and the token of the UI from
# files of secrets.
set -eu
if [ -s /run/secrets/key-passphrase ]; then
    ML_ASSETS_KEY_PASSPHRASE=$(cat /run/secrets/key-passphrase)
    export ML_ASSETS_KEY_PASSPHRASE
fi
if [ -s /run/secrets/ui-token ]; then
    ML_ASSETS_UI_TOKEN=$(cat /run/secrets/ui-token)
    export ML_ASSETS_UI_TOKEN
fi
exec ml-assets "$@"
