// What the provider remembers. It outlives a key rotation, which makes a new Provider object.

const records = new Map();

export class Storage {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    records.set(this.key(id), payload);
  }

  async find(id) {
    return records.get(this.key(id));
  }

  async findByUid(uid) {
    return [...records].find(([key, value]) => key.startsWith(this.key('')) && value.uid === uid)?.[1];
  }

  async consume(id) {
    records.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    records.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, value] of records) {
      if (value.grantId === grantId) records.delete(key);
    }
  }
}
