# docker build -t crumby . && docker run -p 5000:5000 -v crumby:/data crumby
# deployment/docker has it with a proxy in front and with a database server.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/build.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY queries queries
COPY static static
COPY deployment deployment
RUN hatchling build -t wheel -d /dist

FROM python:3.13-slim
# The lock first: it changes seldom, so a rebuild after a change of the code starts below it. Only wheels: the
# slim image has no compiler, and nothing of a download is run to install it.
COPY requirements/run.txt /tmp/run.txt
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r /tmp/run.txt && rm /tmp/run.txt
COPY --from=build /dist /dist
RUN pip install --no-cache-dir --no-deps --no-index /dist/*.whl && rm -r /dist \
    && useradd --uid 5000 --create-home --home-dir /data crumby
# A host folder mounted at /data must be writable by this user: chown 5000 FOLDER, or `docker run --user`.
USER crumby
WORKDIR /data
VOLUME /data
ENV HOME=/data \
    CRUMBY_SQLALCHEMY_DATABASE_URI=sqlite:////data/crumby.db \
    CRUMBY_GEOIP2_DATABASE_NAME=/data/GeoLite2-City.mmdb
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/healthz', timeout=4)"]
CMD ["crumby", "run", "--host", "0.0.0.0"]
