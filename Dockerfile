# One image for every role:
#   docker run --rm -v "$PWD/config.yaml:/config.yaml" IMAGE                      one command, no server
#     for relay: docker also -v /var/run/docker.sock:/var/run/docker.sock --group-add "$(stat -c %g /var/run/docker.sock)"
#   docker run … IMAGE celery -A dregsy_queue worker                              a worker
#   docker run … IMAGE celery -A dregsy_queue beat | flower                       scheduler, dashboard
#   docker run … IMAGE dregsy metrics                                             Prometheus exporter

FROM debian:trixie-slim AS build
# Extra authorities for a TLS-inspecting proxy; they stay in this stage (see deploy/ca/README.md).
COPY deploy/ca/ /usr/local/share/ca-certificates/
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
 && update-ca-certificates
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/dregsy
WORKDIR /src
# Dependencies first: they change less often than the code.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir -p dregsy_queue workers && touch dregsy_queue/__init__.py workers/__init__.py \
 && /opt/dregsy/bin/pip install --constraint constraints.txt . \
 && /opt/dregsy/bin/pip uninstall -y dregsy-queue && rm -rf build dregsy_queue workers ./*.egg-info
COPY dregsy_queue dregsy_queue
COPY workers workers
# pip's byte code stays: the file system is read-only, and without it each health check would compile for seconds.
# Of botocore's descriptions of 400 AWS services only those of ECR and of signing in are of use here.
RUN /opt/dregsy/bin/pip install --no-deps . \
 && find /opt/dregsy/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
      ! -name 'ecr*' ! -name 'sts' ! -name 'sso*' ! -name 'signin' -exec rm -rf {} + \
 && /opt/dregsy/bin/pip uninstall -y pip

FROM debian:trixie-slim
# skopeo's package brings network plug-ins for running containers (/usr/lib/cni); nothing runs here.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 skopeo tini \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/* /usr/lib/cni /usr/share/doc /usr/share/man /usr/share/locale \
 && useradd --uid 10001 --user-group --create-home --home-dir /home/dregsy --shell /usr/sbin/nologin dregsy
COPY --from=build /opt/dregsy /opt/dregsy
# Flower listens on 127.0.0.1 by itself; in a container which port is open where is said when it is started.
ENV PATH=/opt/dregsy/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DREGSY_CONFIG=/config.yaml FLOWER_ADDRESS=0.0.0.0
USER 10001:10001
WORKDIR /home/dregsy
HEALTHCHECK --interval=15s --timeout=10s --start-period=20s CMD ["dregsy", "health", "container"]
# tini hands signals on and reaps what relays leave.
ENTRYPOINT ["tini", "--"]
CMD ["dregsy", "-config=/config.yaml"]
