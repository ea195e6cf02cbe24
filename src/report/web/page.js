// Draws the charts of the page from the CSV tables in it, and hands those out.
(() => {
  'use strict';

  const json = (element) => JSON.parse(element.textContent);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const facts = json(document.getElementById('facts'));
  const specs = Object.fromEntries(all('script.spec').map((e) => [e.dataset.name, json(e)]));
  const blocks = new Map(all('script.table').map((e) => [e.dataset.name, e]));

  // --- tables -------------------------------------------------------------------------------------------------

  const once = (make) => {
    const kept = new Map();
    return (name) => {
      if (!kept.has(name)) kept.set(name, make(name));
      return kept.get(name);
    };
  };

  const bytesOf = once(async (name) => {
    const packed = atob(blocks.get(name).textContent);
    const bytes = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; ++i) bytes[i] = packed.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  });

  // The cells of the record that begins at `at`, and where the next one begins.
  function record(text, at) {
    let end = text.indexOf('\n', at);
    if (end < 0) end = text.length;
    const line = text.slice(at, end);
    if (!line.includes('"')) return [line.split(','), end + 1];
    const cells = [];
    for (;;) {
      let cell = '';
      if (text[at] === '"') {
        for (++at; ; ++at) {
          const close = text.indexOf('"', at);
          cell += text.slice(at, close);
          at = close + 1;
          if (text[at] !== '"') break;
          cell += '"';
        }
      } else {
        const stop = at + text.slice(at).search(/[,\n]|$/);
        cell = text.slice(at, stop);
        at = stop;
      }
      cells.push(cell);
      if (text[at] !== ',') return [cells, at + 1];
      ++at;
    }
  }

  // {names, layers}: the rows of each layer, as text, in the order of the file.
  const tableOf = once(async (name) => {
    const text = new TextDecoder().decode(await bytesOf(name));
    let [names, at] = record(text, 0);
    const layers = new Map();
    while (at < text.length) {
      let cells;
      [cells, at] = record(text, at);
      if (!layers.has(cells[0])) layers.set(cells[0], []);
      layers.get(cells[0]).push(cells);
    }
    return {names, layers};
  });

  const kText = new Set([
    'domain', 'domain_a', 'domain_b', 'committee', 'core', 'stable', 'verdict', 'reference', 'audit', 'audit_a', 'audit_b', 'figure',
    'set', 'change', 'committee_change', 'committee_joined', 'committee_left', 'core_change', 'core_joined', 'core_left',
    'kind', 'experts', 'target', 'mode', 'token', 'domains', 'role', 'class',
  ]);
  const valueOf = (name, cell) => {
    if (kText.has(name)) return cell;
    if (cell === '') return null;
    const number = Number(cell);
    return Number.isNaN(number) ? cell : number;
  };

  // Rows as objects: of one layer, or of all.
  async function rowsOf(name, layer) {
    const table = await tableOf(name);
    const chosen = layer === undefined ? [...table.layers.values()].flat() : table.layers.get(String(layer)) || [];
    return chosen.map((cells) => Object.fromEntries(table.names.map((column, i) => [column, valueOf(column, cells[i])])));
  }

  // --- what each chart shows ----------------------------------------------------------------------------------

  async function figureRows(element) {
    const {table, figure, floor, permuted} = element.dataset;
    return (await rowsOf(table)).map((row) => ({
      layer: row.layer,
      value: row[figure],
      floor: row[floor],
      low: row[figure + '_low'],
      high: row[figure + '_high'],
      permuted_mean: row[permuted + 'permuted_mean'],
      permuted_low: row[permuted + 'permuted_low'],
      permuted_high: row[permuted + 'permuted_high'],
      p_value: row[permuted + 'p_value'] ?? (figure === 'r2' ? row.p_value : undefined),
    }));
  }

  async function mapRows() {
    const stable = new Map(facts.layers.map((layer, i) => [layer, new Set(facts.stable[i])]));
    return (await rowsOf('experts.csv')).map((row) => ({
      ...row,
      status: row.in_committee ? 'committee' : row.candidate ? 'core' : 'neither',
      stable: stable.get(row.layer).has(row.expert),
    }));
  }

  async function contributionRows(element, layer) {
    const rows = await rowsOf('contributions.csv', layer);
    return rows.map((row) => ({...row, top: row.rank <= facts.k}));
  }

  async function jaccardRows(element, layer) {
    const pairs = await rowsOf('jaccard_pairs.csv', layer);
    const names = (await rowsOf('specificity.csv', layer)).map((row) => row.domain);
    const of = new Map();
    for (const {domain_a, domain_b, jaccard} of pairs) {
      of.set(domain_a + '\0' + domain_b, jaccard);
      of.set(domain_b + '\0' + domain_a, jaccard);
    }
    return names.flatMap((a) =>
      names.map((b) => ({domain_a: a, domain_b: b, jaccard: a === b ? 1 : of.get(a + '\0' + b)})));
  }

  async function lorenzRows(element, layer) {
    const rows = await rowsOf('lorenz.csv', layer);
    const equal = `${facts.k} equal experts, the others none`;
    const start = 1 - facts.k / facts.experts;
    const line = (curve, points) =>
      points.map(([x, y]) => ({curve, share_of_experts: x, share_of_contribution: y}));
    return [
      ...rows.map((row) => ({curve: 'this layer', ...row})),
      ...line(equal, [[0, 0], [start, 0], [1, 1]]),
      ...line(`all ${facts.experts} equal`, [[0, 0], [1, 1]]),
    ];
  }

  // A measure of likeness to the reference, with what noise alone would leave of it.
  async function compareLayerRows(element) {
    const {figure} = element.dataset;
    const set = figure.replace('_jaccard', '');
    return (await rowsOf('compare.csv')).map((row) => ({
      audit: row.audit,
      layer: row.layer,
      value: row[figure],
      agreement: row[set + '_agreement'],
      change: row[set + '_change'],
    }));
  }

  async function compareMatrixRows() {
    const pairs = await rowsOf('compare_matrix.csv');
    const names = [...new Set(pairs.flatMap((row) => [row.audit_a, row.audit_b]))];
    return [
      ...names.map((name) => ({audit_a: name, audit_b: name, committee_jaccard: 1})),
      ...pairs,
      ...pairs.map((row) => ({...row, audit_a: row.audit_b, audit_b: row.audit_a})),
    ];
  }

  async function compareFigureRows(element) {
    return (await rowsOf('compare_figures.csv')).filter((row) => row.figure === element.dataset.figure);
  }

  // --- what other commands found: mask, sweep, roles, balance ---

  const meanOf = (values) => {
    const known = values.filter(Number.isFinite);
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  };
  const groupOf = (kind) => (kind === 'none' ? 'plain' : kind === 'random' || kind === 'matched' ? kind : 'target');
  const placeOf = (row) => (row.layer === null ? 'together' : String(row.layer));

  async function maskingRows(element) {
    const {figure} = element.dataset;
    const rows = await rowsOf('masking.csv');
    const first = placeOf(rows.find((row) => row.kind !== 'none') ?? rows[0]);
    return rows.map((row) => ({
      ...row, group: groupOf(row.kind), place: row.kind === 'none' ? first : placeOf(row),
      value: row[figure], low: row[figure + '_low'], high: row[figure + '_high'],
    }));
  }

  // The plain model, then each set with the means of its controls.
  async function outcomeRows() {
    const rows = await rowsOf('masking.csv');
    const bars = new Map();
    for (const row of rows) {
      const group = groupOf(row.kind);
      const place = row.layer === null ? 'layers together' : `layer ${row.layer}`;
      const name = group === 'plain' ? 'plain model' : group === 'target' ? `${place}: ${row.kind}` : `${place}: mean of ${row.kind} sets`;
      if (!bars.has(name)) bars.set(name, []);
      bars.get(name).push(row);
    }
    const outcomes = [['correct', 'correct'], ['wrong', 'wrong'], ['no answer', 'no_answer']];
    return [...bars].flatMap(([name, group]) =>
      outcomes.map(([outcome, column], order) => ({name, outcome, order, share: meanOf(group.map((row) => row[column]))})));
  }

  async function sweepRows(element) {
    const {figure} = element.dataset;
    const groups = new Map();
    for (const row of await rowsOf('sweep.csv')) {
      const key = row.mode + '\0' + row.k;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(row);
    }
    return [...groups.values()].map((group) => ({
      k: group[0].k, mode: group[0].mode,
      value: meanOf(group.map((row) => row[figure])), floor: meanOf(group.map((row) => row[figure + '_floor'])),
    })).sort((a, b) => a.k - b.k);
  }

  // The tokens that any expert serves most often, grouped by kind.
  async function roleRows() {
    const kMost = 40;
    const rows = await rowsOf('roles.csv');
    const counts = new Map();
    for (const row of rows) counts.set(row.token, Math.max(counts.get(row.token) ?? 0, row.count));
    const shown = new Set([...counts].sort((a, b) => b[1] - a[1]).slice(0, kMost).map(([token]) => token));
    return rows.filter((row) => shown.has(row.token))
      .map((row) => ({...row, place: `${row.layer} : ${row.expert}`}))
      .sort((a, b) => (a.role < b.role ? -1 : a.role > b.role ? 1 : b.count - a.count));
  }

  async function enrichmentRows() {
    return (await rowsOf('enrichment.csv')).filter((row) => row.q_value !== null && row.q_value <= 0.05)
      .map((row) => ({...row, where: row.in_committee ? 'committee' : 'periphery'}));
  }

  const kCharts = {
    masking: {rows: maskingRows},
    outcomes: {rows: outcomeRows},
    sweep: {rows: sweepRows},
    roles: {rows: roleRows, least: () => 420},
    enrichment: {rows: enrichmentRows, least: () => 420},
    figure: {rows: figureRows},
    compare_layers: {rows: compareLayerRows},
    compare_matrix: {rows: compareMatrixRows},
    compare_figure: {rows: compareFigureRows},
    committee_map: {rows: mapRows, least: () => 70 + 5 * facts.experts},
    contributions: {rows: contributionRows, byLayer: true, least: () => 180 + 4 * facts.experts},
    jaccard: {rows: jaccardRows, byLayer: true},
    lorenz: {rows: lorenzRows, byLayer: true},
    silhouette: {rows: () => rowsOf('specificity.csv'), least: () => 180 + 8 * facts.layers.length},
  };

  // --- drawing ------------------------------------------------------------------------------------------------

  const kConfig = {
    aria: false,
    background: null,
    font: 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif',
    view: {stroke: null},
    axis: {
      labelColor: 'currentColor', titleColor: 'currentColor', titleFontWeight: 'normal', tickColor: 'currentColor',
      domainColor: 'currentColor', gridColor: 'currentColor', gridOpacity: 0.12, domainOpacity: 0.4, tickOpacity: 0.4,
      labelFontSize: 11, titleFontSize: 11, labelOpacity: 0.85, titleOpacity: 0.85,
    },
    legend: {labelColor: 'currentColor', titleColor: 'currentColor', titleFontWeight: 'normal', labelFontSize: 11, titleFontSize: 11},
  };
  const kOptions = {mode: 'vega-lite', renderer: 'svg', actions: false, ast: true, logLevel: vega.Error, config: kConfig, tooltip: {theme: 'page'}};

  const views = new Map();  // chart element → Vega view
  const drawing = new Map();  // chart element → promise
  let layerIndex = 0;

  // Rows stay legible where there are few and the page bounded where there are many.
  function stepFor(count) {
    return count <= 12 ? 28 : count <= 24 ? 20 : 15;
  }

  async function specFor(element) {
    const name = element.dataset.chart;
    const spec = structuredClone(specs[name]);
    const rows = await kCharts[name].rows(element, facts.layers[layerIndex]);
    spec.data = {name: 'rows', values: rows};
    if (name === 'figure') {
      // A layer of the chart is named for the column that it needs.
      const needs = (layer) => layer.name.replace(/_tick$/, '');
      spec.layer = spec.layer.filter((layer) => rows.some((row) => Number.isFinite(row[needs(layer)])));
    }
    if (name === 'jaccard') {
      const step = stepFor(Math.sqrt(rows.length));
      spec.width = {step};
      spec.height = {step};
    }
    if (name === 'contributions' || name === 'silhouette') {
      const domains = new Set(rows.map((row) => row.domain)).size;
      spec.height = {step: stepFor(domains)};
    }
    if (name === 'contributions') {
      // One scale for all layers, so that the slider compares them.
      let most = 0;
      const table = await tableOf('contributions.csv');
      const column = table.names.indexOf('contribution');
      for (const cells of [...table.layers.values()].flat()) most = Math.max(most, Number(cells[column]));
      spec.layer[0].encoding.color.scale.domain = [0, most];
    }
    if (name === 'committee_map') spec.height = {step: facts.layers.length <= 16 ? 20 : 13};
    return spec;
  }

  async function drawNow(element) {
    const chart = kCharts[element.dataset.chart];
    if (chart.least) element.parentElement.style.setProperty('--least', chart.least() + 'px');
    try {
      const {view} = await vegaEmbed(element, await specFor(element), kOptions);
      element.querySelector('svg').setAttribute('aria-hidden', 'true');  // its label stands for it
      views.set(element, view);
    } catch (problem) {
      element.textContent = 'This chart could not be drawn: ' + problem.message;
      element.classList.add('failed');
      console.error(problem);
    }
    document.documentElement.dataset.drawn = String(views.size);
  }

  function draw(element) {
    if (!drawing.has(element)) drawing.set(element, drawNow(element));
    return drawing.get(element);
  }

  const charts = all('.chart');
  document.documentElement.dataset.charts = String(charts.length);
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) draw(entry.target);
    }
  }, {rootMargin: '300px'});
  charts.forEach((element) => seen.observe(element));

  // The others when nothing else is to do, so that they are there for printing.
  const idle = window.requestIdleCallback || ((work) => setTimeout(work, 200));
  function drawRest(rest) {
    if (rest.length === 0) return;
    idle(() => draw(rest[0]).then(() => drawRest(rest.slice(1))));
  }
  window.addEventListener('load', () => drawRest(charts));

  // --- the layer slider ---------------------------------------------------------------------------------------

  async function showLayer(index) {
    layerIndex = index;
    const layer = facts.layers[index];
    for (const input of all('input.layer')) {
      input.value = index;
      input.setAttribute('aria-valuetext', 'layer ' + layer);
      input.parentElement.querySelector('output').textContent = layer;
    }
    for (const [element, view] of views) {
      const chart = kCharts[element.dataset.chart];
      if (!chart.byLayer) continue;
      const rows = await chart.rows(element, layer);
      if (layerIndex !== index) return;  // moved on meanwhile
      await view.data('rows', rows).runAsync();
    }
    document.documentElement.dataset.layer = String(layer);
  }
  for (const input of all('input.layer')) input.addEventListener('input', () => showLayer(Number(input.value)));

  // --- downloads ----------------------------------------------------------------------------------------------

  function sizeText(bytes) {
    return bytes < 1e6 ? Math.max(1, Math.round(bytes / 1e3)) + ' kB' : (bytes / 1e6).toFixed(1) + ' MB';
  }

  // Links to the unpacked files, made when the list comes into view.
  const links = [...blocks].map(([name, block]) => {
    const link = document.createElement('a');
    link.download = name;
    link.textContent = `${name} (${sizeText(Number(block.dataset.bytes))})`;
    const item = document.createElement('li');
    item.append(link);
    if ('shortened' in block.dataset) item.append(' without its baselines: the file beside audit.json has them');
    document.getElementById('downloads').append(item);
    return link;
  });
  new IntersectionObserver(async (entries, self) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    self.disconnect();
    for (const link of links) {
      link.href = URL.createObjectURL(new Blob([await bytesOf(link.download)], {type: 'text/csv'}));
    }
  }, {rootMargin: '300px'}).observe(document.getElementById('downloads'));
})();
