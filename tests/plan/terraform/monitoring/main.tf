# Every alarm and every widget that there can be; and beside it a status filter, and neither dashboard nor alarms. The
# log groups that exist are made by the tests.
locals {
  secret = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
}

module "watched" {
  source = "../../../.."

  name           = "watched"
  api_key_secret = local.secret
  authorizer     = { on_error = "allow" }

  metering = {
    existing_log_groups = {
      news = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:news", filter_name = "revenium" }
      shop = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:shop:*" }
    }
  }

  monitoring = {
    alarm_actions = ["arn:aws:sns:us-east-1:123456789012:on-call"]

    stages = {
      news = { api_id = "ghijkl5678", stage = "$default" }
      shop = { api_name = "shop", stage = "live" }
    }
  }
}

module "filtered" {
  source = "../../../.."

  name           = "filtered"
  api_key_secret = local.secret
  authorizer     = null
  metering       = { filter = { statuses = ["2xx"] } }

  monitoring = {
    dashboard = false
    stages    = { shop = { api_name = "shop", stage = "live" } }

    thresholds = {
      dead_letters    = 3
      missing_calls   = 0
      missing_percent = 0
      queued_hours    = 1
    }
  }
}

module "unwatched" {
  source = "../../../.."

  name           = "unwatched"
  api_key_secret = local.secret
  monitoring     = null
}
