# One image, one command: `millrace ...`. Two stages: the compiler stays in the first.
FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python -m venv /opt/millrace && /opt/millrace/bin/pip install --no-cache-dir uv==0.13.9
COPY requirements.lock .
RUN /opt/millrace/bin/uv pip install --python /opt/millrace/bin/python --no-cache --require-hashes -r requirements.lock
COPY . .
RUN /opt/millrace/bin/uv pip install --python /opt/millrace/bin/python --no-cache --no-deps .

FROM python:3.13-slim
# LightGBM's wheel needs OpenMP's runtime from the system
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/millrace millrace
COPY --from=build /opt/millrace /opt/millrace
ENV PATH=/opt/millrace/bin:$PATH MILLRACE_HOME=/var/lib/millrace PYTHONUNBUFFERED=1
USER millrace
WORKDIR /var/lib/millrace
VOLUME /var/lib/millrace
ENTRYPOINT ["millrace"]
CMD ["--help"]
