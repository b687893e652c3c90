# docker build -t qasino . && docker run -P qasino
FROM python:3.13-slim AS build
COPY pyproject.toml README.md LICENSE /src/
COPY qasino_server /src/qasino_server
COPY qasino_cli /src/qasino_cli
COPY completions /src/completions
COPY man /src/man
RUN python -m venv /opt/qasino && /opt/qasino/bin/pip install --no-cache-dir /src

FROM python:3.13-slim
COPY --from=build /opt/qasino /opt/qasino
RUN useradd --system --create-home --home-dir /var/lib/qasino qasino \
    && ln -s /opt/qasino/bin/qasino /usr/local/bin/qasino
USER qasino
WORKDIR /var/lib/qasino
# Static tables outlive the container; generations live in /dev/shm where it has 1 GB free
# (docker run --shm-size=4g), else in /tmp.
VOLUME /var/lib/qasino
EXPOSE 15000 15596 15597 15598
ENV QASINO_SERVER_LISTEN=0.0.0.0 QASINO_SERVER_STATIC_DB=/var/lib/qasino/static.db
ENTRYPOINT ["qasino"]
CMD ["server"]
