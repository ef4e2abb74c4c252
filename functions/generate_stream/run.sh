#!/bin/sh
# What Lambda Web Adapter starts in the cloud: one process, one worker, its port known to the adapter alone.
# Layers are found by the runtime's own bootstrap, which does not run here.
set -eu
export PYTHONPATH="${LAMBDA_TASK_ROOT}:/opt/python${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m uvicorn functions.generate_stream.main:app \
  --host 127.0.0.1 --port "${AWS_LWA_PORT}" --lifespan on \
  --log-level warning --no-access-log --no-server-header
